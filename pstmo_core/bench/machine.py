"""Describes the machine that a measurement was made on."""

from __future__ import annotations

import os
import platform
from importlib import import_module
from pathlib import Path

#: Vector instructions, the newest first, and NumPy's names for them.
_AVX = {"-512": "AVX512F", "2": "AVX2"}


def machine() -> dict[str, str | int | float]:
    """Return the processor's name and vector instructions, usable threads, load, and versions.

    The load is that of the last minute, to be asked for when the measurement has ended: much more
    than the threads that were measured says that others used the machine.
    """
    return {
        "cpu": _cpu_name(),
        "vector_instructions": _vector_instructions(),
        "cpu_threads": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def describe_machine() -> str:
    """Return the same as half a sentence for a table's caption."""
    parts = machine()
    threads, load = parts["cpu_threads"], parts["load"]
    cpu = " with ".join(filter(None, (str(parts["cpu"]), str(parts["vector_instructions"]))))
    return f"{cpu}, {threads} CPU threads, load at the end of the run {load}"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _vector_instructions() -> str:
    """Return what this process sees of the processor (scripts/avx2_only hides some), or nothing."""
    try:
        features = import_module("numpy._core._multiarray_umath").__cpu_features__
    except (ImportError, AttributeError):  # NumPy 1, or one that keeps it elsewhere
        return ""
    return next((f"AVX{kind}" for kind, name in _AVX.items() if features.get(name)), "")
