"""The ONNX Runtime backend of STMO-Live: CPU everywhere, CUDA where its build has it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from pstmo_core.model.live.config import LiveConfig
from pstmo_core.runtime.base import BackendUnavailable
from pstmo_core.runtime.live.base import (
    LiveRuntime,
    describe_config,
    fresh_outputs,
    input_names,
    pose_output,
)
from pstmo_core.runtime.live.memory import LiveMemory, Look
from pstmo_core.runtime.live.onnx_file import read_live_model
from pstmo_core.runtime.onnx import make_session
from pstmo_core.runtime.onnx_graph import keep_outputs


class LiveOnnxRuntime(LiveRuntime):
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

    def _lift(
        self,
        graph: str,
        frames: np.ndarray,
        look: Look,
        memory: LiveMemory,
        heads: Sequence[int],
    ) -> tuple[np.ndarray, ...]:
        return self._graph(graph, heads).run(frames, look.ages, *memory.of(look.rows))

    def _graph(self, graph: str, heads: Sequence[int]) -> _Graph:
        """Return what runs a graph for some moments; made when it is first asked for."""
        key = graph, tuple(heads)
        if key not in self._graphs:
            self._graphs[key] = _Graph(self._model, self.config, *key, self._path, self._threads)
        return self._graphs[key]


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
        self._outputs = [*poses, *fresh_outputs(graph)]
        self._inputs, self._moments = input_names(graph, config), len(heads)
        self._session = make_session(keep_outputs(model, self._outputs), path, threads)
        self._needed = {node.name for node in self._session.get_inputs()}
        on_cpu = self._session.get_providers()[0] == "CPUExecutionProvider"
        self.place = "CPU" if on_cpu else "CUDA"

    def run(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """Poses (R, F, moments, 17, C), and what `LiveMemory.write` takes."""
        named = zip(self._inputs, inputs, strict=True)
        feed = {name: value for name, value in named if name in self._needed}
        outputs = self._session.run(self._outputs, feed)
        poses, fresh = outputs[: self._moments], outputs[self._moments :]
        return (poses[0][:, :, None] if len(poses) == 1 else np.stack(poses, 2), *fresh)


def load(path: Path, threads: int, precision: str) -> LiveRuntime:
    """Load a file; see `pstmo_core.runtime.base`."""
    if precision != "fp32":
        raise BackendUnavailable(f"runs fp32 only, not {precision}")
    return LiveOnnxRuntime(path, threads)
