"""Networks STMO-Live with random weights, and what they say of real motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from random_networks import stir_norms

from pstmo_core.model.checkpoints import save_weights
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.live.network import STMOLive
from pstmo_core.runtime.live.export import export_live

SMALL = LiveConfig(
    layers=2, width=32, feedforward=32, heads=4, key_heads=4, moment_key_heads=2, sem_width=32,
    kept=12,
)  # fmt: skip


def trained_looking(config: LiveConfig = SMALL) -> STMOLive:
    """A network whose norms, ages and embeddings do something, as those of a trained one."""
    torch.manual_seed(0)
    model = STMOLive(config)
    stir_norms(model)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.rpartition(".")[2] in ("nodes", "embedding", "start", "moment"):
                weight.normal_()
    return model.eval()


def write_live(folder: Path, config: LiveConfig = SMALL) -> Path:
    """Write such a network as weights and as ONNX; return the path of the latter."""
    model, path = trained_looking(config), folder / "live.onnx"
    save_weights(model, path.with_suffix(".safetensors"))
    export_live(model, path)
    return path


def parallel_poses(model: STMOLive, frames: np.ndarray, dt: np.ndarray) -> np.ndarray:
    """All poses (F, H, 17, 4) of one person's frames (F, rows, channels), by `forward`."""
    with torch.inference_mode():
        poses: np.ndarray = model(torch.tensor(frames)[None], torch.tensor(dt)[None])[0].numpy()
    return poses
