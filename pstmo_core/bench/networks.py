"""The networks whose latency is measured, their files, and the operations of each kind of call."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pstmo_core.bench.plain import PlainSTMO
from pstmo_core.encoding import input_shape
from pstmo_core.model.checkpoints import load_weights, save_weights
from pstmo_core.model.complexity import measure_module
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.step.network import StepNetwork
from pstmo_core.model.stmo import STMO
from pstmo_core.runtime import shipped_model
from pstmo_core.runtime.onnx_export import export_onnx


@dataclass(frozen=True)
class Macs:
    """Multiply-accumulates of one window."""

    centre: int
    """Of a step: SEM on one frame, TEM and MOFA on the window, the target's head."""
    newest: int
    """Of a step without MOFA: the last layer of TEM and the all-frames head for one frame only."""
    plain: int
    """SEM, TEM, MOFA and both heads on the whole window, as the published code does."""

    @classmethod
    def of(cls, model: STMO) -> Macs:
        """Count them."""
        config, network = model.config, StepNetwork(model)
        window = torch.rand(1, config.frames, *input_shape(config.encoding))
        last = torch.tensor([config.frames - 1])
        kept = network.embed(window[0])[None]
        embed = _macs(network.embed, window[0, :1])
        return cls(
            embed + _macs(network.target, kept),
            embed + _macs(network.frame_pose, kept, last),
            measure_module(model, window).macs,
        )


@dataclass(frozen=True)
class Network:
    """One network."""

    name: str
    path: Path
    config: ModelConfig
    macs: Macs
    model: Callable[[Tensor], tuple[Tensor, Tensor]]
    """The network itself, in torch."""
    plain: Callable[[Tensor], tuple[Tensor, Tensor]]
    """The same weights computed as the published code does."""

    @classmethod
    def shipped(cls) -> Network:
        """Return the network that comes with this package."""
        model = load_weights(shipped_model().with_suffix(".safetensors"))
        return cls("shipped", shipped_model(), model.config, *_computed(model))

    @classmethod
    def own(cls, weights: Path, folder: Path) -> Network:
        """Return the network of a weight file, its ONNX file written to a folder.

        Raises:
            CheckpointError: if the file cannot be used, or holds a network of another kind.
        """
        model = load_weights(weights)
        path = Path(tempfile.mkdtemp(dir=folder)) / f"{weights.stem}.onnx"
        save_weights(model, path.with_suffix(".safetensors"))
        export_onnx(model, path)
        return cls(str(weights), path, model.config, *_computed(model))

    @classmethod
    def authors(cls, frames: int, folder: Path) -> Network:
        """Return the authors' architecture with random weights, written to a folder."""
        config = ModelConfig(frames=frames, encoding="screen", mofa_anchor="first")
        torch.manual_seed(frames)
        path = folder / f"authors_{frames}.onnx"
        model = STMO(config)
        save_weights(model, path.with_suffix(".safetensors"))
        export_onnx(model, path)
        return cls(f"authors' {frames}", path, config, *_computed(model))


def _computed(model: STMO) -> tuple[Macs, STMO, PlainSTMO]:
    return Macs.of(model), model.eval(), PlainSTMO(model)


class _Call(nn.Module):
    """A function, as what can be counted."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._function(*inputs)


def _macs(function: Callable[..., Tensor], *inputs: Tensor) -> int:
    return measure_module(_Call(function), *inputs).macs
