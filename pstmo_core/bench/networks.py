"""The networks whose latency is measured, their files, and what a step of them must compute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from pstmo_core.checkpoints import save_weights
from pstmo_core.complexity import measure_module
from pstmo_core.config import ModelConfig
from pstmo_core.encoding import input_shape
from pstmo_core.export import export_onnx
from pstmo_core.model.stmo import STMO
from pstmo_core.runtime import load_runtime, shipped_model


@dataclass(frozen=True)
class Network:
    """One network."""

    name: str
    path: Path
    config: ModelConfig
    step_macs: int
    """Multiply-accumulates of a step: SEM on one frame, TEM and MOFA on the window, one head."""
    window_macs: int
    """The same with SEM on all frames, and the all-frames head, as the published code does."""

    @classmethod
    def shipped(cls) -> Network:
        """Return the network that comes with this package."""
        config = load_runtime().config
        return cls("shipped", shipped_model(), config, *_macs(config))

    @classmethod
    def authors(cls, frames: int, folder: Path) -> Network:
        """Return the authors' architecture with random weights, written to a folder."""
        config = ModelConfig(frames=frames, encoding="screen", mofa_anchor="first")
        torch.manual_seed(frames)
        path = folder / f"authors_{frames}.onnx"
        model = STMO(config)
        save_weights(model, path.with_suffix(".safetensors"))
        export_onnx(model, path)
        return cls(f"authors' {frames}", path, config, *_macs(config))


def _macs(config: ModelConfig) -> tuple[int, int]:
    with torch.device("meta"):
        network = STMO(config)
        window = torch.empty(1, config.frames, *input_shape(config.encoding))
        whole = measure_module(network, window).macs
        head = measure_module(network.head_all, torch.empty(config.frames, config.width)).macs
        all_frames = measure_module(network.sem, window).macs
        one_frame = measure_module(network.sem, window[:, :1]).macs
    return whole - head - all_frames + one_frame, whole
