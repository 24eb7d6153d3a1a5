"""The ONNX Runtime backend: CPU everywhere, CUDA where its build has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from pstmo_core.runtime.base import STEP_OUTPUTS, BackendUnavailable, Runtime
from pstmo_core.runtime.onnx_file import check_row, read_model, unreadable
from pstmo_core.runtime.onnx_graph import keep_outputs
from pstmo_core.runtime.onnx_options import session_options
from pstmo_core.runtime.step_inputs import step_inputs

_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
#: Frames in all windows of a call from which on a CPU core computes no faster for having more.
_CPU_FRAMES = 1024


class OnnxRuntime(Runtime):
    """Runs the step graph of an ONNX file that `pstmo export` wrote."""

    backend = "onnxruntime"
    precision = "fp32"

    def __init__(self, path: Path, threads: int = 1) -> None:
        model, self.config = read_model(path, STEP_OUTPUTS)
        target, frame_pose, embeddings = STEP_OUTPUTS
        # ONNX Runtime computes all outputs of a graph. Each of these has only what it needs.
        self._by_mofa = make_session(keep_outputs(model, (target, embeddings)), path, threads)
        self._by_frame = make_session(keep_outputs(model, (frame_pose, embeddings)), path, threads)
        (rows,) = (node for node in self._by_mofa.get_outputs() if node.name == embeddings)
        self.row_width = check_row(path, int(rows.shape[1]))
        self._place = "CUDA"
        if self._by_mofa.get_providers()[0] == "CPUExecutionProvider":
            self.batch = max(1, _CPU_FRAMES // self.config.frames)
            self._place = f"CPU, {threads} thread(s)"
        self._path = path

    def step(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Runtime.step`."""
        target, frame_pose, embeddings = STEP_OUTPUTS
        inputs = step_inputs(fresh, kept, index, frame)
        if frame is None:
            poses, rows = self._by_mofa.run([target, embeddings], inputs)
        else:
            poses, rows = self._by_frame.run([frame_pose, embeddings], inputs)
        return poses, rows

    def describe(self) -> str:
        """See `Runtime.describe`."""
        return (
            f"{self._path.name} ({self.config.frames} frames of {self.config.step * 1e3:.0f} ms) "
            f"on ONNX Runtime {onnxruntime.__version__}, {self._place}, fp32"
        )


def load(path: Path, threads: int, precision: str) -> Runtime:
    """Load a file; see `pstmo_core.runtime.base`."""
    if precision != "fp32":
        raise BackendUnavailable(f"runs fp32 only, not {precision}")
    return OnnxRuntime(path, threads)


def make_session(model: bytes, path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Make a session of a graph; `path` is where it comes from.

    Raises:
        RuntimeLoadError: if ONNX Runtime does not take it.
    """
    available = onnxruntime.get_available_providers()
    providers = [provider for provider in _PROVIDERS if provider in available]
    try:
        return onnxruntime.InferenceSession(model, session_options(threads), providers=providers)
    except Exception as error:  # ONNX Runtime raises classes of its own for each kind of fault
        raise unreadable(path, error) from error
