"""Draws the errors of networks on streams, from `pstmo bench live`, against delay and cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from pstmo_core.figures.canvas import FAINT, NORMAL, SMALL, FigureError, new_figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_FRAME_MS = 40
#: Least range of errors that is shown, mm.
_LEAST_SPAN = 12.0
_USUAL = {"rate": 25.0, "missing_joints": 0.0, "missing_frames": 0.0}


def load_results(path: Path) -> dict[str, Any]:
    """Read live.json.

    Raises:
        FigureError: if it cannot be read or holds something else.
    """
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not report["costs"]:
            raise ValueError("no network")
        for name, cost in report["costs"].items():
            if not [float(row["mpjpe"]) for row in _rows_of(report, name)] or cost["newest"] <= 0:
                raise ValueError(f"nothing at {_USUAL['rate']:g} Hz of {name}")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FigureError(
            f"{path}: not a result of `pstmo bench live` ({error}): give its live.json"
        ) from error
    return report


def draw_streams(report: dict[str, Any]) -> Figure:
    """Draw MPJPE against the delay, and at no delay against the cost of a new frame."""
    figure = new_figure(8.4, 3.4)
    left, right = figure.subplots(1, 2, sharey=True)
    shown: list[float] = []
    for colour, name in zip(_COLOURS, report["costs"], strict=False):
        rows = _rows_of(report, name)
        delays = [row["look_ahead"] * _FRAME_MS for row in rows]
        errors = [row["mpjpe"] for row in rows]
        shown += errors
        left.plot(delays, errors, "o-", color=colour, label=name, markersize=4)
        cost = report["costs"][name]["newest"]
        right.plot([cost], [errors[0]], "o", color=colour, markersize=7)
        right.annotate(name, (cost, errors[0]), (6, 6), textcoords="offset points", fontsize=SMALL)
    _label(left, "error against delay", "delay of the pose, ms")
    left.legend(fontsize=SMALL, frameon=False)
    right.set_xscale("log")
    right.margins(x=0.35)
    right.xaxis.set_major_formatter(ScalarFormatter())
    # Differences of a millimetre are not to look like more.
    middle, half = (max(shown) + min(shown)) / 2, max(_LEAST_SPAN, 1.3 * (max(shown) - min(shown)))
    left.set_ylim(middle - half / 2, middle + half / 2)
    _label(right, "error against cost, no delay", "multiply-accumulates for a new frame, millions")
    return figure


def _rows_of(report: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a network's rows at the usual rate with nothing missing, by look-ahead."""
    rows = [row for row in report["rows"] if row["network"] == name and _usual(row)]
    return sorted(rows, key=lambda row: float(row["look_ahead"]))


def _usual(row: dict[str, Any]) -> bool:
    return all(row[name] == value for name, value in _USUAL.items())


def _label(axes: Axes, title: str, x: str) -> None:
    axes.set_title(title, fontsize=NORMAL)
    axes.set_xlabel(x, fontsize=SMALL)
    axes.set_ylabel("MPJPE, mm", fontsize=SMALL)
    axes.tick_params(labelsize=SMALL)
    axes.grid(color=FAINT, alpha=0.25, linewidth=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
