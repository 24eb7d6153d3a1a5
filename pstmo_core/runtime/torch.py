"""The torch backend: fp32 and bf16 on a CPU, for machines with torch and no better backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pstmo_core.model.checkpoints import load_weights
from pstmo_core.model.step.folding import Product
from pstmo_core.model.step.network import StepNetwork
from pstmo_core.runtime.base import BackendUnavailable, Runtime, require_joints
from pstmo_core.runtime.step_inputs import step_inputs

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TorchRuntime(Runtime):
    """Runs the network of a weight file. Matrix products alone are in another precision."""

    backend = "torch"

    def __init__(self, path: Path, threads: int, precision: str) -> None:
        model = load_weights(path)
        require_joints(model.trained_on, path)
        self.config, self.precision = model.config, precision
        self._network = StepNetwork(model)
        for module in self._network.modules():
            if isinstance(module, Product):
                module.to(_TYPES[precision])
        self.row_width = self._network.row_width
        self._threads, self._path = threads, path

    @torch.inference_mode()
    def step(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Runtime.step`."""
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        rows = self._network.embed(torch.from_numpy(np.ascontiguousarray(fresh)))
        inputs = {
            name: torch.from_numpy(value)
            for name, value in step_inputs(fresh, kept, index, frame).items()
        }
        places = (inputs[name] for name in ("kept", "index", "place", "source"))
        windows = self._network.windows(rows, *places)
        if frame is None:
            poses = self._network.target(windows)
        else:
            poses = self._network.frame_pose(windows, inputs["frame"])
        return poses.numpy(), rows.numpy()

    def describe(self) -> str:
        """See `Runtime.describe`."""
        return (
            f"{self._path.name} ({self.config.frames} frames of {self.config.step * 1e3:.0f} ms) "
            f"on torch {torch.__version__}, CPU, {self._threads} thread(s), {self.precision}"
        )


def load(path: Path, threads: int, precision: str) -> Runtime:
    """Load the weights at a path, or those beside an ONNX file; see `pstmo_core.runtime.base`."""
    if precision not in _TYPES:
        raise BackendUnavailable(f"runs {' and '.join(_TYPES)} only, not {precision}")
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise BackendUnavailable(f"needs the network's weights, {weights}")
    return TorchRuntime(weights, threads, precision)
