"""Keypoints and, beside them, the skeletons lifted from them (paper, Figures 4 and 11)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from pstmo_core.evaluation.metrics import mpjpe
from pstmo_core.figures.canvas import (
    FAINT,
    NORMAL,
    SMALL,
    FigureError,
    add_legend,
    bounding_squares,
    draw_skeleton,
    new_figure,
    show_square,
)
from pstmo_core.keypoints.clip import Clip
from pstmo_core.keypoints.layouts import get_layout

MOMENTS = 4
"""How many moments are shown where none are named."""
_PANEL = 1.5  # inches
_GRID = 0.5  # metres
#: Axes of a joint that a view shows to the right and downwards; the side is the camera's right.
_VIEWS = {"3D, from the camera": [0, 1], "3D, from the side": [2, 1]}


def choose_moments(joints: np.ndarray, people: Sequence[int], frames: Sequence[int]) -> list[int]:
    """Return the frames to show: those given, else some evenly spaced ones with skeletons.

    Args:
        joints: (F, P, 17, 3), NaN where nobody was lifted.
        people: those who are shown.
        frames: rows of the clip; none takes `MOMENTS`, those with most of the people first.

    Raises:
        FigureError: if a frame is not in the clip, or nobody was lifted.
    """
    for frame in frames:
        if not 0 <= frame < len(joints):
            raise FigureError(f"the clip has no frame {frame}: it has 0 to {len(joints) - 1}")
    lifted = np.isfinite(joints[:, list(people)]).any((-2, -1)).sum(-1)
    if not lifted.any():
        raise FigureError("nobody in the clip was lifted: there is nothing to draw")
    if frames:
        return list(frames)
    best = np.flatnonzero(lifted == lifted.max())
    chosen = ((np.arange(MOMENTS) + 0.5) / MOMENTS * len(best)).astype(int)
    return [int(frame) for frame in best[np.unique(chosen)]]


def draw_skeletons(
    clip: Clip, joints: np.ndarray, people: Sequence[int], frames: Sequence[int], title: str
) -> Figure:
    """Draw a row a moment: of each person the keypoints and two views of the skeleton.

    Args:
        clip: the recording.
        joints: (F, P, 17, 3) metres relative to the pelvis, camera's optical frame; NaN where not
            known.
        people: places of those who are shown among the clip's people.
        frames: rows of the clip.
        title: a line above.
    """
    rows, chosen = list(frames), list(people)
    points, scores = get_layout(clip.layout).convert(clip.keypoints, clip.scores)
    points = np.where(scores[..., None] > 0, points, np.nan)
    truth = np.full_like(joints, np.nan) if clip.truth is None else clip.truth
    columns = 1 + len(_VIEWS)
    figure = new_figure(columns * len(chosen) * _PANEL + 0.7, len(rows) * (_PANEL + 0.2) + 1.3)
    words = f"3D: lines every {_GRID} m" + ("" if clip.truth is None else ", error is MPJPE")
    figure.suptitle(f"{title}\n{words}", fontsize=NORMAL)
    grid = figure.subplots(len(rows), columns * len(chosen), squeeze=False)
    for number, person in enumerate(chosen):
        part = grid[:, number * columns : (number + 1) * columns]
        _draw_keypoints(part[:, 0], points[rows, person])
        _draw_views(part[:, 1:], joints[rows, person], truth[rows, person])
        part[0, 0].set_title(f"{clip.ids[person]}\n2D keypoints", fontsize=NORMAL)
    for axes, frame in zip(grid[:, 0], rows, strict=True):
        seconds = float(clip.stamps[frame] - clip.stamps[0]) / 1e9
        axes.set_ylabel(f"frame {frame}\n{seconds:.2f} s", fontsize=SMALL, color=FAINT)
    add_legend(figure, None if clip.truth is None else "truth")
    return figure


def _draw_keypoints(column: np.ndarray, points: np.ndarray) -> None:
    """Draw pixels (N, 17, 2) on axes (N,), all on one scale."""
    centres, half = bounding_squares(points)
    for axes, pose, centre in zip(column, points, centres, strict=True):
        draw_skeleton(axes, pose)
        show_square(axes, centre, half)


def _draw_views(grid: np.ndarray, joints: np.ndarray, truth: np.ndarray) -> None:
    """Draw skeletons (N, 17, 3) on axes (N, views), the truth behind, lines every half metre."""
    both = np.concatenate([joints, truth], 1)
    middle, half = _common_square(both)
    errors = 1000 * mpjpe(joints, truth)
    lines = np.arange(-4, 5) * _GRID
    for column, (name, view) in zip(grid.T, _VIEWS.items(), strict=True):
        column[0].set_title(name, fontsize=NORMAL)
        for axes, pose, true in zip(column, joints, truth, strict=True):
            draw_skeleton(axes, true[:, view], truth=True)
            draw_skeleton(axes, pose[:, view])
            for place in lines:
                axes.axhline(place, color="0.92", linewidth=0.6, zorder=0)
                axes.axvline(place, color="0.92", linewidth=0.6, zorder=0)
            show_square(axes, middle, half)
    for axes, error in zip(grid[:, 0], errors, strict=True):
        if np.isfinite(error):
            axes.set_xlabel(f"error {error:.0f} mm", fontsize=SMALL, color=FAINT, labelpad=2)


def _common_square(joints: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the centre (2,) and half side of a square that holds all views of (N, M, 3).

    The pelvis is in the middle from left to right, so that lines and views are comparable.
    """
    views = np.concatenate([joints[..., view] for view in _VIEWS.values()])
    mirrored = np.concatenate([views, views * (-1, 1)])
    centres, half = bounding_squares(mirrored.reshape(1, -1, 2))
    return centres[0], half
