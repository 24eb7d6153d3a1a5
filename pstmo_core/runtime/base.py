"""The interface of all backends, and the names of inputs, outputs and metadata in an ONNX file.

A backend is a module of this package with a function

    load(path: Path, threads: int, precision: str) -> Runtime

which raises `BackendUnavailable` if it cannot run on this machine, or not that file or precision
(`auto` then takes the next backend and keeps the reason), and `RuntimeLoadError` if the file itself
is at fault. Nodes and commands call

    load_runtime(path=None, threads=1, backend="auto", precision="fp32") -> Runtime

with `backend` "auto" or one of `BACKENDS` and `precision` one of `PRECISIONS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from pstmo_core.errors import ConfigError, PstmoError
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.trained_on import H36M17, TrainedOn

#: The backends in the order in which `auto` tries them.
BACKENDS = ("tensorrt", "onnxruntime", "openvino", "torch")
PRECISIONS = ("fp32", "bf16", "fp16")

#: Key of the model configuration in an ONNX file's metadata.
CONFIG_KEY = ModelConfig.key
#: The same for a network STMO-Live.
LIVE_KEY = LiveConfig.key
#: Inputs of the step graph, those of `step_inputs`, and its outputs: poses (B, 17, C) by MOFA, by
#: the all-frames head, and rows to be kept.
STEP_INPUTS = ("fresh", "kept", "index", "place", "source", "frame")
STEP_OUTPUTS = ("target_pose", "frame_pose", "embeddings")
#: Those of the window graph: (B, F, rows, channels) to (B, F, 17, C) and (B, 17, C). One file holds
#: both graphs on the same weights; `onnx_graph.keep_outputs` extracts the one that a backend needs.
WINDOW_INPUTS = ("frames",)
WINDOW_OUTPUTS = ("all_frames", "target")


class RuntimeLoadError(PstmoError):
    """A model file that cannot be run; says what is wrong with it and what to do."""


class BackendUnavailable(RuntimeLoadError):
    """A backend that cannot run here, or not this file or precision; another one may."""


def require_joints(trained_on: TrainedOn, path: Path) -> None:
    """Check that the network of a file takes and gives Human3.6M's joints, as every runtime does.

    Raises:
        RuntimeLoadError: if it was trained on others.
    """
    try:
        trained_on.require(H36M17)
    except ConfigError as error:
        raise RuntimeLoadError(f"{path}: {error}") from error


class LoadedNetwork(ABC):
    """What every loaded network says of itself, of whichever kind it is."""

    backend: str
    """One of `BACKENDS`."""
    precision: str
    """One of `PRECISIONS`: of the matrix products; what goes in and out is float32."""
    passed_over: tuple[str, ...] = ()
    """Why the backends before this one were not taken, a sentence each."""

    @abstractmethod
    def describe(self) -> str:
        """Say in a line what runs where."""

    def explain(self) -> str:
        """Say what runs where, and why no backend before it in the order of `auto` does."""
        return "; ".join((self.describe(), *self.passed_over))


class Runtime(LoadedNetwork):
    """A loaded network that lifts windows step by step, from embeddings that the caller keeps.

    SEM looks at one frame alone (paper, section 3.3.1), so its embedding of a frame is computed
    once and kept as a row; a step runs TEM and MOFA on windows gathered from such rows. The content
    of a row depends on the backend: rows can be used only by the runtime that made them.
    """

    config: ModelConfig
    row_width: int
    """W, the length of a kept row."""
    batch: int = 8
    """Number of windows in a call beyond which larger calls are not faster per window."""

    @abstractmethod
    def step(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run SEM on new frames, then lift windows of new and kept ones.

        Args:
            fresh: (R, rows, channels) float32, frames as `config.encoding` says; R may be 0.
            kept: (K, W) float32, rows of earlier calls; K may be 0. Rows that no window uses cost
                nothing.
            index: (B, F) int64, the windows: which row of `kept` followed by `fresh` stands at
                each moment. B is at least 1.
            frame: None for the pose of the target (centre) frame by MOFA, else the index of the
                window's frame whose pose the all-frames head gives, without MOFA.

        Returns:
            Poses (B, 17, C) as `STMO` gives them: x, y, z in metres relative to the pelvis in the
            frame that the encoding means, and with `config.sigma` log sigma; and the rows (R, W) of
            the new frames, to be kept. Both belong to the caller.
        """

    def lift(self, frames: np.ndarray, frame: int | None = None) -> np.ndarray:
        """Lift whole windows (B, F, rows, channels) with nothing kept: poses (B, 17, C)."""
        windows, length = frames.shape[:2]
        index = np.arange(windows * length, dtype=np.int64).reshape(windows, length)
        nothing = np.empty((0, self.row_width), np.float32)
        return self.step(frames.reshape(-1, *frames.shape[2:]), nothing, index, frame)[0]
