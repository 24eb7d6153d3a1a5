"""The setting of an attack: its nodes, its time, its random numbers, and its outcome."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_ros.torture.node_process import NodeProcess
from pstmo_ros.torture.peer import Peer


@dataclass(frozen=True)
class Outcome:
    """What came of an attack."""

    count: str
    """How often what was done: "500 messages"."""
    result: str
    """What the node made of it, in figures."""
    passed: bool
    table: str = ""
    """Figures that take a Markdown table of their own, below the line."""


@dataclass(frozen=True)
class Attack:
    """One kind of attack."""

    name: str
    title: str
    """What is done, for the table."""
    run: Callable[[Stand], Outcome]


@dataclass
class Stand:
    """One attack's nodes and folders; all of it is gone after `close`.

    Args:
        seconds: how long the attack goes on where it can go on at will.
        seed: of what is left to chance.
        people: of a soak; None: what it has by default.
        rate: messages per second of a soak, in the same way.
        samples: a CSV file into which a soak writes what it sees as it goes on.
    """

    seconds: float
    seed: int = 0
    people: int | None = None
    rate: float | None = None
    samples: Path | None = None
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="pstmo_torture_")))
    _closing: list[Callable[[], object]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self._end = time.monotonic() + self.seconds

    def __enter__(self) -> Stand:
        return self

    def __exit__(self, *_: object) -> None:
        while self._closing:
            self._closing.pop()()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def has_time(self) -> bool:
        """Whether the attack may go on."""
        return time.monotonic() < self._end

    def start_clock(self) -> None:
        """Let the attack's time begin now: what it needed is started."""
        self._end = time.monotonic() + self.seconds

    def namespace(self) -> str:
        """Return a namespace that no other node of this attack has."""
        return f"/torture{next(self._numbers)}"

    def node(self, namespace: str, module: str = "lifter_node", **options: Any) -> NodeProcess:
        """Start a node that activates itself, unless its parameters say otherwise."""
        parameters = {"autostart": "true", **options.pop("parameters", {})}
        process = NodeProcess(module, namespace, self.folder, parameters, **options)
        self._closing.append(process.end)
        return process

    def peer(self, namespace: str, target: str = "lifter", **options: Any) -> Peer:
        """Return somebody who speaks to the node in a namespace."""
        peer = Peer(namespace, target, **options)
        self._closing.append(peer.close)
        return peer

    def lifter(self, **options: Any) -> tuple[NodeProcess, Peer]:
        """Start an active lifter and return it with its peer."""
        namespace = self.namespace()
        process, peer = self.node(namespace, **options), self.peer(namespace)
        if not peer.is_heard():
            raise AttackError(f"the lifter did not start: {process.log[-500:]}")
        peer.is_answered()
        self.start_clock()
        return process, peer


class AttackError(RuntimeError):
    """An attack that could not take place."""
