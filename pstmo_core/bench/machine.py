"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine() -> dict[str, str | int | float]:
    """Return the processor's name, the threads that this process may use, its load, and versions.

    The load is that of the last minute, to be asked for when the measurement has ended: much more
    than the threads that were measured says that others used the machine.
    """
    return {
        "cpu": _cpu_name(),
        "cpu_threads": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def describe_machine() -> str:
    """Return the same as half a sentence for a table's caption."""
    parts = machine()
    threads, load = parts["cpu_threads"], parts["load"]
    return f"{parts['cpu']}, {threads} CPU threads, load at the end of the run {load}"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
