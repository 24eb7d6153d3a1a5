"""What stage I restores of a masked window (paper, appendix A.4, Figure 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pstmo_core.encoding import decode_poses
from pstmo_core.figures.canvas import (
    FAINT,
    NORMAL,
    SMALL,
    add_legend,
    bounding_squares,
    draw_skeleton,
    new_figure,
    show_square,
)
from pstmo_core.figures.clip_windows import ClipWindow
from pstmo_core.model.masked import MaskedSTMO
from pstmo_core.model.masking import Masks

_PANEL = 1.25  # inches
_ROWS = ("input", "what the\nencoder sees", "restored")


@dataclass(frozen=True)
class Reconstruction:
    """A window, what was hidden of it, and what the network made of the rest."""

    window: ClipWindow
    hidden_frames: np.ndarray
    """(F,) bool."""
    hidden_joints: np.ndarray
    """(F, 17) bool, of visible frames too."""
    restored: np.ndarray
    """(F, 17, 2) pixels."""

    def distances(self) -> np.ndarray:
        """Return how far (F, 17) restored joints are from the input, pixels; NaN if not seen."""
        return np.asarray(np.linalg.norm(self.restored - self.window.points, axis=-1))

    def summary(self) -> str:
        """Say the mean distance in each kind of place."""
        hidden = self.hidden_frames[:, None]
        places = {
            "hidden frames": hidden | np.zeros_like(self.hidden_joints),
            "hidden joints of visible frames": ~hidden & self.hidden_joints,
            "visible joints": ~hidden & ~self.hidden_joints,
        }
        distances = self.distances()
        known = np.isfinite(distances)
        return ", ".join(
            f"{name} {distances[where & known].mean():.1f} px"
            for name, where in places.items()
            if (where & known).any()
        )


@torch.inference_mode()
def reconstruct(network: MaskedSTMO, window: ClipWindow, masks: Masks) -> Reconstruction:
    """Hide parts of a window and let a stage-I network restore it.

    Under the encoding `person` the network restores the joints relative to the pelvis and in units
    of the person's size; the place and size that turn them into pixels are the input's.

    Args:
        network: of stage I.
        window: of that network's length and encoding.
        masks: drawn for one sample.
    """
    poses = network(torch.as_tensor(window.frames), *masks).numpy()
    pixels = decode_poses(poses, window.frames, window.size, window.focal, network.config.encoding)
    frames, joints = window.points.shape[:2]
    return Reconstruction(
        window,
        masks.temporal.reshape(frames).numpy(),
        masks.spatial.reshape(frames, joints).numpy(),
        pixels[0],
    )


def draw_reconstruction(result: Reconstruction, columns: int, title: str) -> Figure:
    """Draw some frames of the window: input, what the encoder sees, and what came back.

    Args:
        result: of `reconstruct`.
        columns: how many frames to show, evenly spaced.
        title: a line above.
    """
    points = result.window.points
    last = len(points) - 1
    shown = np.unique(np.linspace(0, last, min(columns, last + 1)).round().astype(int))
    visible = np.where(
        (result.hidden_frames[:, None] | result.hidden_joints)[..., None], np.nan, points
    )
    both = np.concatenate([points, result.restored], 1)[shown]
    centres, half = bounding_squares(both)

    figure = new_figure(len(shown) * _PANEL + 0.8, len(_ROWS) * _PANEL + 1.3)
    figure.suptitle(f"{title}\nmean distance from the input:\n{result.summary()}", fontsize=NORMAL)
    grid = figure.subplots(len(_ROWS), len(shown), squeeze=False)
    for column, frame in enumerate(shown):
        draw_skeleton(grid[0, column], points[frame])
        draw_skeleton(grid[1, column], visible[frame])
        draw_skeleton(grid[2, column], points[frame], truth=True)
        draw_skeleton(grid[2, column], result.restored[frame])
        for axes in grid[:, column]:
            show_square(axes, centres[column], half)
        if result.hidden_frames[frame]:
            _write_hidden(grid[1, column])
        words = f"frame {frame}\n{result.window.offsets[frame]:+.2f} s"
        grid[0, column].set_title(words, fontsize=SMALL, color=FAINT)
    for axes, name in zip(grid[:, 0], _ROWS, strict=True):
        axes.set_ylabel(name, fontsize=NORMAL)
    add_legend(figure, "input, as truth behind what is restored")
    return figure


def _write_hidden(axes: Axes) -> None:
    axes.set_facecolor("0.93")
    axes.text(
        0.5, 0.5, "hidden", ha="center", va="center", transform=axes.transAxes,
        fontsize=SMALL, color=FAINT,
    )  # fmt: skip
