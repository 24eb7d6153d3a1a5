"""The OpenVINO backend: bf16 on CPUs that have it, where ONNX Runtime offers fp32 only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino

from pstmo_core.runtime.base import STEP_OUTPUTS, BackendUnavailable, Runtime
from pstmo_core.runtime.onnx_file import check_row, read_model, unreadable
from pstmo_core.runtime.onnx_graph import keep_outputs
from pstmo_core.runtime.step_inputs import step_inputs

_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_BATCH = 16
"""Windows in a call, whatever their length: another number than in the last call costs time."""
_ONE_PERSON = {"fresh": 1, "index": 1, "place": 1, "source": 1}
"""Lengths of the step graph's inputs in a step of one person."""


class OpenVinoRuntime(Runtime):
    """Runs the step graph of an ONNX file that `pstmo export` wrote."""

    backend = "openvino"

    def __init__(self, path: Path, threads: int, precision: str) -> None:
        model, self.config = read_model(path, STEP_OUTPUTS)
        self.precision = precision
        self.batch = _BATCH
        self._path, self._threads = path, threads
        target, frame_pose, embeddings = STEP_OUTPUTS
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # Left alone, it takes bf16 where there is bf16, and says nothing.
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "ENABLE_CPU_PINNING": False,  # the machine has other things to do
        }
        try:
            self._by_mofa, self._by_frame = (
                _Graph(keep_outputs(model, (pose, embeddings)), self.config.frames, options)
                for pose in (target, frame_pose)
            )
        except RuntimeError as error:
            raise unreadable(path, error) from error
        self.row_width = check_row(path, self._by_mofa.width)

    def step(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Runtime.step`."""
        graph = self._by_mofa if frame is None else self._by_frame
        return graph.infer(step_inputs(fresh, kept, index, frame))

    def describe(self) -> str:
        """See `Runtime.describe`."""
        return (
            f"{self._path.name} ({self.config.frames} frames of {self.config.step * 1e3:.0f} ms) "
            f"on OpenVINO {openvino.__version__.partition('-')[0]}, CPU, {self._threads} "
            f"thread(s), {self.precision}"
        )


class _Graph:
    """A graph compiled for any number of windows, and for the step of a single person.

    Where OpenVINO knows all sizes beforehand it joins more operations: a tenth of the time.
    """

    def __init__(self, graph: bytes, frames: int, options: dict[str, Any]) -> None:
        core = openvino.Core()
        model = core.read_model(graph)
        self.width = int(model.output(1).partial_shape[1].get_length())
        self._any = core.compile_model(model, "CPU", options).create_infer_request()
        shapes = {node.get_any_name(): node.partial_shape for node in model.inputs}
        for name, count in _ONE_PERSON.items():
            shapes[name] = openvino.PartialShape([count, *list(shapes[name])[1:]])
        shapes["index"][1] = frames
        model.reshape(shapes)
        self._one = core.compile_model(model, "CPU", options).create_infer_request()

    def infer(self, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Run the graph: its two outputs, which belong to the caller."""
        alone = all(len(inputs[name]) == count for name, count in _ONE_PERSON.items())
        request = self._one if alone else self._any
        request.infer(inputs, share_inputs=True, share_outputs=True)
        # The request's own memory is used again by the next step: what leaves is a copy.
        poses, rows = (request.get_output_tensor(place).data.copy() for place in (0, 1))
        return poses, rows


def load(path: Path, threads: int, precision: str) -> Runtime:
    """Load a file; see `pstmo_core.runtime.base`."""
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision.upper() not in able:
        raise BackendUnavailable(f"this CPU has no instructions for {precision}")
    return OpenVinoRuntime(path, threads, precision)
