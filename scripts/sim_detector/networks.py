"""The two small networks of the detector for simulation: where people are, and their joints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pstmo_core.skeleton import JOINTS

#: Width and height of the images in which people are searched, and of a person's crop, pixels.
SEARCH_SIZE, CROP_SIZE = (160, 120), (96, 128)
#: Pixels of a cell of the search's outputs, and classes a pixel of SimCC.
SEARCH_STRIDE, BINS_A_PIXEL = 4, 2


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Residual(nn.Module):
    """Two convolutions and a skip connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _block(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same."""
        return (x + self.second(self.first(x))).relu()


class PersonSearch(nn.Module):
    """Finds people: a score that a person's middle is in a cell, and the sides of the box."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(_block(3, 16, 2), _block(16, 32, 2), Residual(32))
        self.coarse = nn.Sequential(
            _block(32, 48, 2), Residual(48), _block(48, 48, 2), Residual(48), Residual(48)
        )
        self.up = nn.Sequential(nn.Conv2d(48, 32, 1), nn.Upsample(scale_factor=4, mode="bilinear"))
        self.out = nn.Sequential(_block(32, 32), nn.Conv2d(32, 5, 1))
        nn.init.constant_(self.out[1].bias[:1], -4.0)  # type: ignore[union-attr, index]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Search images (N, 3, 120, 160), RGB, 0 to 1.

        Returns:
            Scores (N, 1, 30, 40), 0 to 1, and distances (N, 4, 30, 40) in pixels from the cell's
            middle to the box's left, top, right and bottom.
        """
        fine = self.fine(image)
        coarse = self.up(self.coarse(nn.functional.pad(fine, (0, 0, 1, 1))))
        out = self.out(fine + coarse[:, :, 1:-1])
        return out[:, :1].sigmoid(), out[:, 1:].clamp(max=4).exp() * SEARCH_STRIDE


class CropPose(nn.Module):
    """Finds the 17 joints of the person in a crop, each coordinate as a class (SimCC)."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(_block(3, 24, 2), _block(24, 40, 2), Residual(40))
        self.middle = nn.Sequential(_block(40, 80, 2), Residual(80), Residual(80), Residual(80))
        self.coarse = nn.Sequential(
            _block(80, 96, 2), Residual(96), Residual(96), nn.Upsample(scale_factor=2)
        )
        self.joints = nn.Conv2d(176, JOINTS, 1)
        cells = CROP_SIZE[0] * CROP_SIZE[1] // 64
        self.mix = nn.Sequential(nn.Linear(cells, 256), nn.ReLU())
        self.x = nn.Linear(256, CROP_SIZE[0] * BINS_A_PIXEL)
        self.y = nn.Linear(256, CROP_SIZE[1] * BINS_A_PIXEL)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Crops (N, 3, 128, 96), RGB, 0 to 1 -> logits of x (N, 17, 192) and y (N, 17, 256)."""
        middle = self.middle(self.fine(crops))
        joints = self.joints(torch.cat([middle, self.coarse(middle)], 1))
        mixed = self.mix(joints.flatten(2))
        return self.x(mixed), self.y(mixed)
