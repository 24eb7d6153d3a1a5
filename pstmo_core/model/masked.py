"""The network of stage I, masked pose modelling (paper, section 3.2): restore hidden 2D poses.

SEM and TEM see the visible frames alone; a small decoder restores all frames. Stage II goes on with
the SEM and TEM trained here, and the decoder is thrown away.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pstmo_core.encoding import get_encoding, input_shape
from pstmo_core.errors import ConfigError
from pstmo_core.model.config import DEEPEST, WIDEST, ModelConfig
from pstmo_core.model.sem import build_sem
from pstmo_core.model.tem import TEM
from pstmo_core.model.trained_on import TrainedOn
from pstmo_core.model.transformer import NORM_EPS, TransformerLayer
from pstmo_core.settings import setting
from pstmo_core.skeleton import JOINTS

Mask = Tensor | np.ndarray


@dataclass(frozen=True)
class MaskedConfig(ModelConfig):
    """Shape of a stage-I network: the network that it prepares, and a decoder.

    Raises:
        ConfigError: if a value cannot be used.
    """

    key = "pstmo_masked_config"

    decoder_layers: int = setting(
        2,
        "Depth L_D of the decoder: 2 for P-STMO-S and 3 for P-STMO, one less than TEM's.",
        low=0,
        high=DEEPEST,
    )
    decoder_width: int = setting(128, "Width of the decoder's tokens.", low=1, high=WIDEST)
    decoder_feedforward: int = setting(
        256, "Hidden width of the decoder's feed-forward blocks.", low=1, high=WIDEST
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers == 0:
            raise ConfigError("layers is 0, but stage I trains TEM and needs at least 1")
        if self.decoder_width % self.heads:
            raise ConfigError(
                f"decoder_width is {self.decoder_width}, but must be a multiple of {self.heads}"
            )

    @property
    def lifter(self) -> ModelConfig:
        """The configuration of the stage-II network that goes on with this encoder."""
        fields = dataclasses.fields(ModelConfig)
        return ModelConfig(**{field.name: getattr(self, field.name) for field in fields})


class MaskedSTMO(nn.Module):
    """Restores the 2D poses of a window from the few joints that it is shown.

    Under the encoding `screen` the poses are the input itself: (x, y) of 17 joints. Under the
    others they are the joints' offsets from the pelvis in units of the person's size, the first two
    channels of the joints' rows. A masked joint loses its whole row, flag included; further rows,
    which hold place and size, are no joints: they go with their frame and are not restored.
    `reconstruction_target` says what the output is to be compared with.
    """

    trained_on = TrainedOn()
    """The joint orders of its training data."""

    def __init__(self, config: MaskedConfig) -> None:
        super().__init__()
        self.config = config
        channels = input_shape(config.encoding)[1]
        self.sem = build_sem(config)
        self.tem = TEM(
            config.frames,
            config.layers,
            config.width,
            config.feedforward,
            config.heads,
            config.dropout,
        )
        width = config.decoder_width
        self.spatial_padding = nn.Parameter(torch.randn(channels) * 0.02)
        self.temporal_padding = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.norm = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.narrow = nn.Linear(config.width, width, bias=False)
        self.positions = nn.Parameter(torch.randn(1, config.frames, width) * 0.02)
        self.decoder = nn.ModuleList(
            TransformerLayer(width, config.decoder_feedforward, config.heads, config.dropout)
            for _ in range(config.decoder_layers)
        )
        self.head = nn.Sequential(nn.BatchNorm1d(width), nn.Linear(width, JOINTS * 2))

    def forward(self, frames: Tensor, temporal_mask: Mask, spatial_mask: Mask) -> Tensor:
        """Restore a batch of masked windows.

        Args:
            frames: (B, F, rows, channels), encoded as `config.encoding` says, unmasked.
            temporal_mask: (B, F) or (F,) for all samples, True = masked. Each sample must have
                as many visible frames as the others, at least one.
            spatial_mask: (B, F, 17) or (F, 17), True = masked; masked frames ignore theirs.

        Returns:
            The poses of all frames (B, F, 17, 2), visible ones too, in temporal order.

        Raises:
            ValueError: if a mask has another shape or hides different numbers of frames.
        """
        batch, length = frames.shape[:2]
        temporal = _per_sample(temporal_mask, "temporal_mask", (batch, length), frames.device)
        spatial = _per_sample(spatial_mask, "spatial_mask", (batch, length, JOINTS), frames.device)
        order, count = _visible_first(temporal)
        visible = order[:, :count]
        tokens = self.tem(self.sem(_take(self._hide_joints(frames, spatial), visible)), visible)
        return _take(self._decode(tokens, order), order.argsort(dim=1))

    def _hide_joints(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Replace masked joints by the spatial padding embedding (equation 4)."""
        encoding = get_encoding(self.config.encoding)
        if encoding.embeds_unseen:  # what is not seen is as good as masked
            mask = mask | ~encoding.seen(frames, torch)
        mask = functional.pad(mask, (0, frames.shape[2] - JOINTS))
        return torch.where(mask[..., None], self.spatial_padding, frames)

    def _decode(self, tokens: Tensor, order: Tensor) -> Tensor:
        """Tokens (B, V, width) of the first V frames of `order` to poses (B, F, 17, 2), so ordered.

        The temporal padding embedding stands for each masked frame (equation 3); its position says
        which one it is.
        """
        batch, length = order.shape
        padding = self.temporal_padding.expand(batch, length - tokens.shape[1], -1)
        tokens = torch.cat([self.narrow(self.norm(tokens)), padding], 1) + self.positions[0, order]
        for layer in self.decoder:
            tokens = layer(tokens)
        poses: Tensor = self.head(tokens.flatten(0, 1))
        return poses.view(batch, length, JOINTS, 2)


def reconstruction_target(frames: Tensor, encoding: str) -> tuple[Tensor, Tensor]:
    """Return what a stage-I network is to restore from encoded frames (B, F, rows, channels).

    Returns:
        The poses (B, F, 17, 2), and (B, F, 17) with 1.0 where a joint was seen and so counts, else
        0.0. The encoding `screen` cannot say so; there all joints count.
    """
    seen = get_encoding(encoding).seen(frames, torch)
    return frames[:, :, :JOINTS, :2], seen.to(frames.dtype)


def _per_sample(mask: Mask, name: str, shape: tuple[int, ...], device: torch.device) -> Tensor:
    mask = torch.as_tensor(mask, dtype=torch.bool, device=device)
    if mask.shape not in (shape, shape[1:]):
        raise ValueError(f"{name} is {tuple(mask.shape)}, but must be {shape} or {shape[1:]}")
    return mask.expand(shape)


def _visible_first(mask: Tensor) -> tuple[Tensor, int]:
    """Return the frames' indices (B, F), visible before masked, each in time; how many are visible.

    The sort is stable, and False comes before True.
    """
    fewest, most = torch.stack((~mask).sum(dim=1).aminmax()).tolist()
    if fewest != most:
        raise ValueError(f"temporal_mask leaves from {fewest} to {most} frames, not one number")
    if fewest == 0:
        raise ValueError("temporal_mask leaves no frame to see")
    return mask.byte().argsort(dim=1, stable=True), fewest


def _take(values: Tensor, indices: Tensor) -> Tensor:
    """Values (B, F, ...) at the indices (B, N) of each sample: (B, N, ...)."""
    return values[torch.arange(len(values), device=values.device)[:, None], indices]
