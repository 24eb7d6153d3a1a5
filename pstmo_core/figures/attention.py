"""Draws attention maps: one row per layer, one column per head (paper, Figures 7-10)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pstmo_core.figures.attention_maps import PARTS, AttentionMap
from pstmo_core.figures.canvas import FAINT, NORMAL, SMALL, new_figure

_PANEL = 1.3  # inches
_LONE_PANEL = 2.1  # inches, where one layer is shown alone
_LONE_COLUMNS = 4
_BRIGHTEST = 0.998  # share of the weights that are not beyond the colours' end


def draw_attention(maps: Sequence[AttentionMap], offsets: np.ndarray, title: str) -> Figure:
    """Draw maps, each on the colours of its layer; one map alone is drawn larger.

    Args:
        maps: at least one.
        offsets: (F,) seconds from the target frame to each frame of the window.
        title: a line above.
    """
    heads = max(len(one.weights) for one in maps)
    alone = len(maps) == 1
    columns = min(heads, _LONE_COLUMNS) if alone else heads
    rows = -(-heads // columns) if alone else len(maps)
    panel = _LONE_PANEL if alone else _PANEL
    figure = new_figure(columns * panel + 2.0, rows * (panel + 0.35) + 0.9)
    figure.suptitle(title, fontsize=NORMAL + 2)
    grid = figure.subplots(rows, columns, squeeze=False)
    places = [grid] if alone else [grid[[row]] for row in range(rows)]
    for index, (one, axes) in enumerate(zip(maps, places, strict=True)):
        _draw_layer(figure, one, axes, offsets, heads_named=alone or index == 0)
    words = "frame of the key; below it the seconds from the target frame"
    if any(one.visible is not None for one in maps):
        words += "; white lines part visible frames from hidden ones"
    figure.supxlabel(words, fontsize=NORMAL)
    figure.supylabel("frame of the query", fontsize=NORMAL)
    return figure


def _draw_layer(
    figure: Figure, one: AttentionMap, grid: np.ndarray, offsets: np.ndarray, heads_named: bool
) -> None:
    """Draw the heads of a layer on a grid of axes (rows, columns), with their colour bar."""
    limit = float(np.quantile(one.weights, _BRIGHTEST))
    for head, axes in enumerate(grid.flat):
        if head >= len(one.weights):
            axes.set_axis_off()
            continue
        image = axes.imshow(
            one.weights[head], vmin=0, vmax=limit, cmap="viridis", interpolation="nearest"
        )
        _mark_frames(axes, one, offsets, left=head % grid.shape[1] == 0)
        if heads_named:
            axes.set_title(f"head {head}", fontsize=NORMAL)
    bar = figure.colorbar(image, ax=grid, extend="max", shrink=0.9, pad=0.01)
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label("weight", fontsize=SMALL)
    words = f"{PARTS[one.part]}\nlayer {one.layer}"
    grid[grid.shape[0] // 2, 0].set_ylabel(words, fontsize=NORMAL)


def _mark_frames(axes: Axes, one: AttentionMap, offsets: np.ndarray, left: bool) -> None:
    """Name the frames at a few tokens; the decoder's visible and masked tokens are parted."""
    tokens = len(one.frames)
    if one.visible is None:
        marks = np.unique([0, (tokens - 1) // 2, tokens - 1])
    else:
        marks = np.unique([0, one.visible, tokens - 1])
        for draw in (axes.axhline, axes.axvline):
            draw(one.visible - 0.5, color="white", linewidth=0.8)
    frames = one.frames[marks]
    below = [f"{frame}\n{offsets[frame]:+.2f}" for frame in frames]
    beside = [f"{frame}" for frame in frames]
    axes.set_xticks(marks, below, fontsize=SMALL - 1.5, color=FAINT)
    axes.set_yticks(marks, beside if left else [], fontsize=SMALL - 1.5, color=FAINT)
    axes.tick_params(length=1.5, pad=1)
