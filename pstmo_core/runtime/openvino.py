"""The OpenVINO backend: bf16 on the CPUs that have it, where ONNX Runtime knows fp32 alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino

from pstmo_core.runtime.base import STEP_OUTPUTS, BackendUnavailable, Runtime
from pstmo_core.runtime.onnx_file import batch_for_cpu, read_model, unreadable
from pstmo_core.runtime.onnx_graph import keep_outputs

_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


class OpenVinoRuntime(Runtime):
    """Runs the step graph of an ONNX file that `pstmo export` wrote."""

    backend = "openvino"

    def __init__(self, path: Path, threads: int, precision: str) -> None:
        model, self.config = read_model(path, STEP_OUTPUTS)
        self.precision = precision
        self.batch = batch_for_cpu(self.config)
        self._path, self._threads = path, threads
        target, frame_pose, embeddings = STEP_OUTPUTS
        self._by_mofa = self._compile(keep_outputs(model, (target, embeddings)))
        self._by_frame = self._compile(keep_outputs(model, (frame_pose, embeddings)))
        self.kept_width = self._by_mofa.model_outputs[1].partial_shape[1].get_length()

    def step(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Runtime.step`."""
        feed = {"fresh": fresh, "kept": kept, "index": index}
        request = self._by_mofa
        if frame is not None:
            request, feed["frame"] = self._by_frame, np.array([frame], np.int64)
        request.infer(feed, share_inputs=True, share_outputs=True)
        # The request's own memory is used again by the next step: what leaves is a copy.
        return tuple(request.get_output_tensor(place).data.copy() for place in (0, 1))  # type: ignore[return-value]

    def describe(self) -> str:
        """See `Runtime.describe`."""
        return (
            f"{self._path.name} ({self.config.frames} frames of {self.config.step * 1e3:.0f} ms) "
            f"on OpenVINO {openvino.__version__.partition('-')[0]}, CPU, {self._threads} "
            f"thread(s), {self.precision}"
        )

    def _compile(self, graph: bytes) -> Any:
        core = openvino.Core()
        options = {
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": 1,
            # Left alone, it takes bf16 where there is bf16, and says nothing.
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
            "ENABLE_CPU_PINNING": False,  # the machine has other things to do
        }
        try:
            compiled = core.compile_model(core.read_model(graph), "CPU", options)
        except RuntimeError as error:
            raise unreadable(self._path, error) from error
        return compiled.create_infer_request()


def load(path: Path, threads: int, precision: str) -> Runtime:
    """Load a file; see `pstmo_core.runtime.base`."""
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision.upper() not in able:
        raise BackendUnavailable(f"this CPU has no instructions for {precision}")
    return OpenVinoRuntime(path, threads, precision)
