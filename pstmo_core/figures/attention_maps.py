"""Attention weights of TEM, MOFA and the decoder of stage I (paper, appendix A.5, Figures 7-10).

The weights are recomputed from each attention module's inputs by hooks: the fused kernel
that the networks run never has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pstmo_core.figures.canvas import FigureError
from pstmo_core.model.attention import SelfAttention
from pstmo_core.model.checkpoints import CheckpointError, load_masked, load_weights
from pstmo_core.model.masked import MaskedSTMO
from pstmo_core.model.masking import Masks
from pstmo_core.model.mofa import MOFA, StridedLayer
from pstmo_core.model.stmo import STMO
from pstmo_core.model.tem import TEM

PARTS = {"tem": "TEM", "mofa": "MOFA", "decoder": "decoder"}
"""Parts of the networks that attend over frames, and what they are called."""


@dataclass(frozen=True)
class AttentionMap:
    """What one layer attends to."""

    part: str
    """A key of `PARTS`."""
    layer: int
    """From 0 on, as the paper counts."""
    weights: np.ndarray
    """(heads, N, N) float32, by query and by key; each row sums to 1."""
    frames: np.ndarray
    """(N,) the frame of the window that each token stands for."""
    visible: int | None = None
    """In the decoder: how many tokens stand for visible frames; they come before the masked."""


def load_either_stage(path: Path | str) -> STMO | MaskedSTMO:
    """Read the weights of a network of stage I or II, as the file says.

    Raises:
        CheckpointError: if it is neither.
    """
    try:
        return load_weights(path)
    except CheckpointError as error:
        try:
            return load_masked(path)
        except CheckpointError:
            raise error from None


def attention_weights(module: SelfAttention, x: Tensor) -> Tensor:
    """Return softmax(q k^T / sqrt(d)) of an input (B, N, width): (B, heads, N, N)."""
    length, width = x.shape[1:]
    qkv = module.qkv(x).view(-1, length, 3, module.heads, width // module.heads)
    query, key = qkv[:, :, 0].transpose(1, 2), qkv[:, :, 1].transpose(1, 2)
    return (query @ key.transpose(-2, -1) * module.scale).softmax(-1)


def maps_of(network: STMO | MaskedSTMO, frames: np.ndarray, masks: Masks) -> list[AttentionMap]:
    """Return all attention over frames; the masks (for one sample) are for stage I alone."""
    if isinstance(network, MaskedSTMO):
        return masked_maps(network, frames, masks)
    return lifter_maps(network, frames)


def lifter_maps(network: STMO, frames: np.ndarray) -> list[AttentionMap]:
    """Return the attention of TEM and MOFA over one encoded window (1, F, rows, channels).

    A token of MOFA's later layers stands for the frame that its strided path kept.
    """
    tokens: list[tuple[str, int, np.ndarray]] = []
    layers: list[nn.Module] = []
    places: np.ndarray = np.arange(network.config.frames)
    if isinstance(network.tem, TEM):
        layers += network.tem.layers
        tokens += [("tem", index, places) for index in range(len(layers))]
    if isinstance(network.mofa, MOFA):
        for index, layer in enumerate(network.mofa.layers):
            assert isinstance(layer, StridedLayer)
            layers.append(layer)
            tokens.append(("mofa", index, places))
            places = places[layer.offset :: layer.stride]
    weights = _record(network, layers, torch.as_tensor(frames))
    return [
        AttentionMap(part, index, values, stood_for)
        for (part, index, stood_for), values in zip(tokens, weights, strict=True)
    ]


def masked_maps(network: MaskedSTMO, frames: np.ndarray, masks: Masks) -> list[AttentionMap]:
    """Return the attention of stage I over one encoded window (1, F, rows, channels).

    TEM sees the visible frames alone; the decoder has all of them, the visible before the masked.

    Args:
        network: of stage I.
        frames: the window, unmasked.
        masks: drawn for one sample.
    """
    hidden = masks.temporal.reshape(-1).numpy()
    order, visible = np.argsort(hidden, kind="stable"), int((~hidden).sum())
    depth = len(network.tem.layers)
    layers = [*network.tem.layers, *network.decoder]
    weights = _record(network, layers, torch.as_tensor(frames), *masks)
    return [
        *(AttentionMap("tem", i, w, order[:visible]) for i, w in enumerate(weights[:depth])),
        *(AttentionMap("decoder", i, w, order, visible) for i, w in enumerate(weights[depth:])),
    ]


def choose_maps(
    maps: Sequence[AttentionMap], part: str | None, layer: int | None
) -> list[AttentionMap]:
    """Keep the maps of a part, a layer, or of both; None keeps all.

    Raises:
        FigureError: if none is left; it says what there is.
    """
    chosen = [m for m in maps if part in (None, m.part) and layer in (None, m.layer)]
    if not chosen:
        there = ", ".join(f"{m.part} {m.layer}" for m in maps) or "none"
        raise FigureError(
            f"this network has no attention in part {part or 'any'}, layer "
            f"{'any' if layer is None else layer}: it has {there}"
        )
    return chosen


@torch.inference_mode()
def _record(network: nn.Module, layers: Sequence[nn.Module], *inputs: Tensor) -> list[np.ndarray]:
    """Run a network on one window; return the weights (heads, N, N) of some layers' attention."""
    modules = [layer.get_submodule("attention") for layer in layers]
    weights: dict[nn.Module, np.ndarray] = {}

    def note(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        assert isinstance(module, SelfAttention)
        weights[module] = attention_weights(module, arguments[0])[0].numpy()

    hooks = [module.register_forward_pre_hook(note) for module in modules]
    try:
        network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return [weights[module] for module in modules]
