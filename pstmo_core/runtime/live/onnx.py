"""The ONNX Runtime backend of STMO-Live: CPU everywhere, CUDA where its build has it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from pstmo_core.model.live.config import LiveConfig
from pstmo_core.runtime.base import BackendUnavailable
from pstmo_core.runtime.live.graphs import (
    GraphCall,
    GraphRuntime,
    describe_config,
    fresh_outputs,
    input_names,
    pose_output,
)
from pstmo_core.runtime.live.memory import Fresh, LiveMemory
from pstmo_core.runtime.live.onnx_file import read_live_model
from pstmo_core.runtime.onnx import make_session
from pstmo_core.runtime.onnx_graph import keep_outputs


class LiveOnnxRuntime(GraphRuntime):
    """Runs the graphs of an ONNX file that `pstmo export` wrote."""

    backend, precision = "onnxruntime", "fp32"

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._model, self.config = read_live_model(path)
        self._path, self._threads = path, threads
        self._graphs: dict[tuple[str, tuple[int, ...]], _Graph] = {}
        self._place = self._graph("step", (0,)).place

    def describe(self) -> str:
        """See `LoadedNetwork.describe`."""
        place = self._place + (f", {self._threads} thread(s)" if self._place == "CPU" else "")
        return (
            f"{self._path.name} ({describe_config(self.config)}) on ONNX Runtime "
            f"{onnxruntime.__version__}, {place}, fp32"
        )

    def run(self, call: GraphCall) -> tuple[np.ndarray, Fresh]:
        """See `GraphRuntime.run`."""
        return self._graph(call.graph, call.heads).run(call)

    def _graph(self, graph: str, heads: Sequence[int]) -> _Graph:
        """Return what runs a graph for some moments; made when it is first asked for."""
        key = graph, tuple(heads)
        if key not in self._graphs:
            self._graphs[key] = _Graph(self._model, self.config, *key, self._path, self._threads)
        return self._graphs[key]


#: A memory, and which rows of it follow one another.
_Place = tuple[LiveMemory, slice]


class _Graph:
    """The part of a graph that some moments need."""

    def __init__(
        self,
        model: bytes,
        config: LiveConfig,
        graph: str,
        heads: tuple[int, ...],
        path: Path,
        threads: int,
    ) -> None:
        poses = [pose_output(graph, config.look_aheads[head]) for head in heads]
        self.outputs = [*poses, *fresh_outputs(graph, config)]
        self._inputs, self._moments = input_names(graph, config), len(heads)
        self.session = make_session(keep_outputs(model, self.outputs), path, threads)
        self._needed = {node.name for node in self.session.get_inputs()}
        on_cpu = self.session.get_providers()[0] == "CPUExecutionProvider"
        self.place = "CPU" if on_cpu else "CUDA"
        self._last: _Place | None = None
        self._bound: _Bound | None = None

    def run(self, call: GraphCall) -> tuple[np.ndarray, Fresh]:
        """See `GraphRuntime.run`."""
        rows = call.look.rows
        place = (call.memory, rows) if self.place == "CPU" and isinstance(rows, slice) else None
        bound = self._bound  # other threads may lift others, of another memory
        if bound is not None and bound.place == place:
            return bound.run(call.frames, call.look.ages)
        named = zip(self._inputs, call.arrays(), strict=True)
        inputs = {name: array for name, array in named if name in self._needed}
        outputs = self.session.run(self.outputs, inputs)
        poses, fresh = np.stack(outputs[: self._moments], 2), Fresh.of(outputs[self._moments :])
        again = place == self._last
        self._bound = _Bound(self, place, inputs, poses, fresh) if place and again else None
        self._last = place
        return poses, fresh


class _Bound:
    """A graph bound to where people's memory lies and to arrays of its own.

    As a rule those who were lifted last are lifted again: nothing is looked up or allocated then.

    Args:
        graph: the graph.
        place: where the memory of those lies who are lifted.
        inputs: those of a step that was made, by name; all but the first two lie in the memory.
        poses: what it gave; both are written over from now on.
        fresh: the same.
    """

    def __init__(
        self,
        graph: _Graph,
        place: _Place,
        inputs: dict[str, np.ndarray],
        poses: np.ndarray,
        fresh: Fresh,
    ) -> None:
        self.place = place
        self._session = graph.session
        self._binding = graph.session.io_binding()
        frames, ages, *_ = inputs
        self._frames, self._ages = inputs[frames].copy(), inputs[ages].copy()
        self._inputs = inputs | {frames: self._frames, ages: self._ages}
        for name, array in self._inputs.items():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
            self._binding.bind_ortvalue_input(name, value)
        moments = np.ascontiguousarray(poses.transpose(2, 0, 1, 3, 4))
        self._answer = moments.transpose(1, 2, 0, 3, 4), fresh
        for name, array in zip(graph.outputs, [*moments, *fresh.parts()], strict=True):
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
            self._binding.bind_ortvalue_output(name, value)

    def run(self, frames: np.ndarray, ages: np.ndarray) -> tuple[np.ndarray, Fresh]:
        """Run the graph: its answer, written over by the next call."""
        self._frames[...], self._ages[...] = frames, ages
        self._session.run_with_iobinding(self._binding)
        return self._answer


def load(path: Path, threads: int, precision: str) -> GraphRuntime:
    """Load a file; see `pstmo_core.runtime.base`."""
    if precision != "fp32":
        raise BackendUnavailable(f"runs fp32 only, not {precision}")
    return LiveOnnxRuntime(path, threads)
