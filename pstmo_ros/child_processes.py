"""Runs nodes as separate processes and ends them together."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

_PATIENCE = 10.0
"""Seconds that processes have to end after Ctrl-C."""


def launch_is_there() -> bool:
    """Say whether `ros2 launch` is installed."""
    return shutil.which("ros2") is not None and find_spec("ros2launch") is not None


def node_command(module: str, parameters: Mapping[str, object]) -> list[str]:
    """Return the command that runs a node of this package with parameters."""
    command = [sys.executable, "-m", f"pstmo_ros.{module}", "--ros-args"]
    for name, value in parameters.items():
        command += ["-p", f"{name}:={json.dumps(value, ensure_ascii=False)}"]
    return command


@contextlib.contextmanager
def running(commands: list[list[str]], log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run commands, what they say going to a file, and end them."""
    started: list[subprocess.Popen[bytes]] = []
    log.unlink(missing_ok=True)  # of a link, the link and not what it leads to
    with log.open("xb") as file:
        try:
            # Not from the repository: python -m would import the source tree's pstmo_ros there,
            # which has no messages. In a session of its own, Ctrl-C reaches each through _end.
            for command in commands:
                started.append(  # noqa: PERF401  (those that run must be ended if one fails)
                    subprocess.Popen(
                        command,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        stdin=subprocess.DEVNULL,
                        cwd=log.parent,
                        start_new_session=True,
                    )
                )
            yield started
        finally:
            _end(started)


def tail(log: Path) -> str:
    """Return the last lines of a file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """End processes, and what they started, as Ctrl-C would."""
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, kind)
        deadline = time.monotonic() + _PATIENCE
        while any(p.poll() is None for p in processes) and time.monotonic() < deadline:
            time.sleep(0.05)
