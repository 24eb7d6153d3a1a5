"""Matplotlib figures without a window or global state, and what all figures share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pstmo_core.atomic_files import atomic_file
from pstmo_core.drawing.colours import (
    LEFT_COLOUR,
    MIDDLE_ON_WHITE,
    RIGHT_COLOUR,
    TRUTH_COLOUR,
    joint_colours,
)
from pstmo_core.errors import PstmoError
from pstmo_core.skeleton import EDGES

SUFFIXES = (".png", ".svg")
SMALL, NORMAL = 7.0, 9.0
"""Sizes of letters in points."""
FAINT = "0.45"
"""Grey of words that explain."""
_DPI = 130
_NARROWEST = 6.5  # inches
_MARGIN = 1.12  # room round what is drawn


class FigureError(PstmoError):
    """A figure that cannot be drawn; says why and what to do."""


def check_suffix(path: Path) -> None:
    """Refuse a file name that says no format which can be written.

    Raises:
        FigureError: if it ends in neither of `SUFFIXES`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise FigureError(f"{path}: figures are written as {' or '.join(SUFFIXES)}, by the name")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, whose parts are kept from overlapping.

    It is made wide enough for a title.
    """
    figure = Figure(figsize=(max(width, _NARROWEST), height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure atomically, in the format of the file's suffix.

    Raises:
        FigureError: if the name says no known format.
        OSError: if the file cannot be written.
    """
    check_suffix(path)
    kind = path.suffix.lower()[1:]
    metadata = {"Date": None} if kind == "svg" else None
    with atomic_file(path) as partial:
        figure.savefig(partial, format=kind, dpi=_DPI, metadata=metadata)


def draw_skeleton(axes: Axes, points: np.ndarray, *, truth: bool = False) -> None:
    """Draw the 17 joints (17, 2); those that are NaN and their bones are left out.

    Args:
        axes: where to draw.
        points: the joints, in the units of the axes.
        truth: thin and grey, to lie behind.
    """
    colours = np.tile(TRUTH_COLOUR, (len(points), 1)) if truth else joint_colours(MIDDLE_ON_WHITE)
    bones = np.array(EDGES)
    bones = bones[np.isfinite(points[bones]).all((1, 2))]
    order = 1 if truth else 2
    lines = LineCollection(
        list(points[bones]),
        colors=colours[bones[:, 1]],
        linewidths=1.0 if truth else 1.6,
        capstyle="round",
        zorder=order,
    )
    axes.add_collection(lines)
    known = np.isfinite(points).all(-1)
    if not truth:
        x, y = points[known].T
        axes.scatter(x, y, s=4.0, c=colours[known], linewidths=0, zorder=order + 1)


def show_square(axes: Axes, centre: np.ndarray, half: float) -> None:
    """Show a square round a centre (2,), y downwards as in images, without ticks."""
    axes.set_xlim(centre[0] - half, centre[0] + half)
    axes.set_ylim(centre[1] + half, centre[1] - half)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("0.8")


def bounding_squares(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Return squares that hold points (N, M, 2), NaN left out: centres (N, 2), one half side.

    The half side is the same for all, so that figures beside each other have one scale. A centre
    without points is 0.
    """
    known = np.isfinite(points)
    low = np.where(known, points, np.inf).min(1)
    high = np.where(known, points, -np.inf).max(1)
    empty = low > high
    centres = np.where(empty, 0.0, (np.where(empty, 0, low) + np.where(empty, 0, high)) / 2)
    half = float(np.where(empty, 0.0, high - low).max(initial=0.0)) / 2
    return centres, max(half, 1e-3) * _MARGIN


def add_legend(figure: Figure, truth: str | None) -> None:
    """Say below a figure what the colours mean; `truth` is what the grey is, None without it."""
    meanings = [("left", LEFT_COLOUR), ("right", RIGHT_COLOUR), ("middle", MIDDLE_ON_WHITE)]
    if truth is not None:
        meanings.append((truth, TRUTH_COLOUR))
    handles = [Line2D([], [], color=colour, linewidth=2) for _, colour in meanings]
    figure.legend(
        handles=handles,
        labels=[meaning for meaning, _ in meanings],
        loc="outside lower center",
        ncols=len(meanings),
        frameon=False,
        fontsize=NORMAL,
    )
