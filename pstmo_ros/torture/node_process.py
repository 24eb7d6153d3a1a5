"""A node as a process of its own: started, watched from outside, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 15.0
"""Seconds that a node may take to end."""


@dataclass(frozen=True)
class Resources:
    """What a process holds."""

    memory: float
    """Resident, MB."""
    threads: int
    handles: int
    """Open files and sockets."""

    def __str__(self) -> str:
        return f"{self.memory:.0f} MB, {self.threads} threads, {self.handles} handles"


class NodeProcess:
    """A node of this package in a process.

    Args:
        module: of `pstmo_ros`, as `lifter_node`.
        namespace: of the node.
        folder: where it stands; its log is written there.
        parameters: by name, as texts of YAML.
        environment: changes to this process's; None takes a variable away.
        remaps: rules, as `__node:=other`.
        become: is called in the new process before the node starts.
    """

    def __init__(
        self,
        module: str,
        namespace: str,
        folder: Path,
        parameters: Mapping[str, str] | None = None,
        environment: Mapping[str, str | None] | None = None,
        remaps: tuple[str, ...] = (),
        become: Callable[[], None] | None = None,
    ) -> None:
        arguments = ["--ros-args", "-r", f"__ns:={namespace}"]
        for rule in remaps:
            arguments += ["-r", rule]
        for name, value in (parameters or {}).items():
            arguments += ["-p", f"{name}:={value}"]
        changes = environment or {}
        kept = {name: value for name, value in os.environ.items() if name not in changes}
        given = {name: value for name, value in changes.items() if value is not None}
        self._log = folder / f"{module}{namespace.replace('/', '_')}_{id(self)}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", f"pstmo_ros.{module}", *arguments],
                cwd=folder,
                env=kept | given,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=become,
            )

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it is alive."""
        return self._process.poll()

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace")

    def resources(self) -> Resources:
        """Return what it holds now.

        Raises:
            OSError: if it has ended.
        """
        process = Path("/proc") / str(self._process.pid)
        lines = (line.split() for line in (process / "status").read_text().splitlines())
        values = {words[0]: words[1] for words in lines if len(words) > 1}
        handles = len(list((process / "fd").iterdir()))
        return Resources(int(values["VmRSS:"]) / 1024, int(values["Threads:"]), handles)

    def signal(self, kind: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(kind)

    def wait(self, seconds: float = PATIENCE) -> int | None:
        """Wait until it has ended and return its exit status, None if it has not."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """End it by force if need be."""
        if self.is_alive:
            self._process.terminate()
            if self.wait() is None:
                self._process.kill()
                self._process.wait()
