"""The torch backend of STMO-Live, for machines with torch and no better backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pstmo_core.model.checkpoints import load_live
from pstmo_core.model.live.step import LiveStep
from pstmo_core.runtime.base import BackendUnavailable, require_joints
from pstmo_core.runtime.live.graphs import GRAPHS, GraphCall, GraphRuntime, describe_config
from pstmo_core.runtime.live.memory import Fresh
from pstmo_core.runtime.live.onnx_file import check_state


class LiveTorchRuntime(GraphRuntime):
    """Runs the network of a weight file."""

    backend, precision = "torch", "fp32"

    def __init__(self, path: Path, threads: int) -> None:
        network = load_live(path)
        require_joints(network.trained_on, path)
        self.config = network.config
        check_state(path, self.config)
        self._graphs = {name: LiveStep(network, frames) for name, frames in GRAPHS.items()}
        self._threads, self._path = threads, path

    def describe(self) -> str:
        """See `LoadedNetwork.describe`."""
        return (
            f"{self._path.name} ({describe_config(self.config)}) on torch {torch.__version__}, "
            f"CPU, {self._threads} thread(s), fp32"
        )

    @torch.inference_mode()
    def run(self, call: GraphCall) -> tuple[np.ndarray, Fresh]:
        """See `GraphRuntime.run`."""
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        inputs = (torch.from_numpy(np.ascontiguousarray(each)) for each in call.arrays())
        outputs = self._graphs[call.graph](*inputs)
        poses = torch.stack([outputs[head] for head in call.heads], 2)
        kept = outputs[len(self.config.look_aheads) :]
        return poses.numpy(), Fresh.of([each.numpy() for each in kept])


def load(path: Path, threads: int, precision: str) -> GraphRuntime:
    """Load the weights at a path, or those beside an ONNX file; see `pstmo_core.runtime.base`."""
    if precision != "fp32":
        raise BackendUnavailable(f"runs fp32 only, not {precision}")
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise BackendUnavailable(f"needs the network's weights, {weights}")
    return LiveTorchRuntime(weights, threads)
