"""The graphs of STMO-Live, which every backend runs: their inputs, outputs, and what calls them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pstmo_core.model.live.config import LiveConfig
from pstmo_core.runtime.live.base import LiveRuntime
from pstmo_core.runtime.live.memory import Fresh, LiveMemory, Look
from pstmo_core.skeleton import JOINTS

#: The graphs of a file, on the same weights, and how many frames of each person they take at once.
GRAPHS = {"step": 1, "run": 32}
#: Reading the weights from memory takes about as long as computing this many frames.
_WEIGHTS = 7


class GraphCall(NamedTuple):
    """One run of a graph."""

    graph: str
    """One of `GRAPHS`."""
    frames: np.ndarray
    """(R, F, rows, channels) float32, encoded; F as the graph has it."""
    look: Look
    """Whose frames they are, and the ages."""
    memory: LiveMemory
    """Has the keys and values."""
    heads: Sequence[int]
    """Which of `LiveConfig.look_aheads` are wanted."""

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return the graph's inputs in the order of `input_names`."""
        return self.frames, self.look.ages, *self.memory.of(self.look.rows)


class GraphRuntime(LiveRuntime):
    """A backend: it runs the graphs, and this keeps the memory and chooses between them."""

    def read(
        self,
        frames: np.ndarray,
        dt: np.ndarray,
        memory: LiveMemory,
        rows: np.ndarray,
        heads: Sequence[int] = (0,),
        keep: bool = True,
    ) -> np.ndarray:
        """See `LiveRuntime.read`."""
        if not keep:
            return self._glance(frames, dt, memory, rows, heads)
        people, count = dt.shape
        if count == 1:  # what a live stream does, without a detour
            look = memory.look(rows, dt)
            newest, fresh = self.run(GraphCall("step", frames, look, memory, heads))
            memory.write(look, fresh)
            return newest.copy()
        poses = np.empty((people, count, len(heads), JOINTS, self.config.outputs), np.float32)
        start = 0
        while start < count:
            graph, taken = _graph_for(people, count - start)
            part = slice(start, start + taken)
            look = memory.look(rows, dt[:, part])
            shown, missing = frames[:, part], GRAPHS[graph] - taken
            if missing:
                shown = np.pad(shown, ((0, 0), (0, missing), (0, 0), (0, 0)))
            made, fresh = self.run(GraphCall(graph, shown, look.padded(missing), memory, heads))
            poses[:, part] = made[:, :taken]
            memory.write(look, fresh)
            start = part.stop
        return poses

    def _glance(
        self,
        frames: np.ndarray,
        dt: np.ndarray,
        memory: LiveMemory,
        rows: np.ndarray,
        heads: Sequence[int],
    ) -> np.ndarray:
        """Lift frames of which nothing is remembered."""
        people, count = dt.shape
        rows, dt = np.repeat(rows, count), dt.reshape(-1, 1)
        alone = frames.reshape(people * count, 1, *frames.shape[2:])
        poses, _ = self.run(GraphCall("step", alone, memory.look(rows, dt), memory, heads))
        return poses.reshape(people, count, *poses.shape[2:]).copy()

    @abstractmethod
    def run(self, call: GraphCall) -> tuple[np.ndarray, Fresh]:
        """Run a graph, see `pstmo_core.model.live.step.LiveStep`.

        Returns:
            Poses (R, F, len(heads), 17, 4), and what is to be kept. The next call may write over
            them.
        """


def _graph_for(people: int, frames: int) -> tuple[str, int]:
    """Return the graph for people's next frames, and how many of them it takes.

    A run may be padded: what follows a frame does not change its pose.
    """
    length = GRAPHS["run"]
    taken = min(frames, length)
    as_run, as_steps = _WEIGHTS + people * length, taken * (_WEIGHTS + people)
    return ("run", taken) if as_run < as_steps else ("step", 1)


def input_names(graph: str, config: LiveConfig) -> list[str]:
    """Return the inputs of a graph: frames, ages, and what `LiveMemory.of` gives."""
    return [f"{graph}_frames", f"{graph}_ages", *_kept(f"{graph}_", config)]


def pose_output(graph: str, look_ahead: int) -> str:
    """Return the name of a graph's output of the poses at a look-ahead in milliseconds."""
    return f"{graph}_pose_{look_ahead}".replace("-", "minus_")


def fresh_outputs(graph: str, config: LiveConfig) -> list[str]:
    """Return the outputs of a graph that are to be kept: of new frames, what it is told of old."""
    return _kept(f"{graph}_new_", config)


def output_names_of(graph: str, config: LiveConfig) -> list[str]:
    """Return the outputs of a graph: the poses of each look-ahead, then `fresh_outputs`."""
    return [*(pose_output(graph, ms) for ms in config.look_aheads), *fresh_outputs(graph, config)]


def _kept(prefix: str, config: LiveConfig) -> list[str]:
    """Return names for the keys and values of each layer, of the moments, and for tokens."""
    pairs = [f"{what}_{n}" for n in range(config.layers + 1) for what in ("keys", "values")]
    return [prefix + name for name in (*pairs, "tokens")]


def describe_config(config: LiveConfig) -> str:
    """Say for which moments a network answers."""
    moments = ", ".join(str(ms) for ms in sorted(config.look_aheads))
    return f"streaming, poses of {moments} ms before the newest frame"
