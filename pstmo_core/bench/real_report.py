"""The table of `pstmo bench real`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from pstmo_core.bench.real import OWN_3D, Row
from pstmo_core.bench.report import table

_HEADER = (
    "keypoints", "answer", "MPJPE", "N-MPJPE", "P-MPJPE", "jitter", "acceleration error",
    "lag", "knee", "elbow", "swaps", "followed", "unanswered", "within 2.5 sigma",
)  # fmt: skip


def markdown(rows: Sequence[Row], command: str, network: str, changed: str = "") -> str:
    """Return the report: one table a recording."""
    parts = [
        "# Real video",
        "Skeletons from detectors' keypoints against a 3D reference of several calibrated cameras: "
        "the means over a recording's views. Twelve joints (shoulders to ankles), middle of the "
        "hips aligned. MPJPE, after the best scale (N-) and after Procrustes (P-), in mm; jitter: "
        "mean second difference, mm a frame; acceleration error: over 1/30 s, m/s²; lag: by how "
        "much the answer's motion is behind the reference's, ms; knee and elbow angle error, "
        "degrees. Swaps: frames in whose keypoints left and right arms or legs are exchanged; "
        "followed: frames in whose skeletons they are exchanged, too; unanswered: frames without "
        "all twelve joints; within 2.5 sigma: the share of joints that are within 2.5 times their "
        "sigma of the reference, which should be 90 %. `reference, projected` are keypoints "
        "without error: the remaining error is the network's.",
        f"Network `{network}`. {changed}Measured by:",
        f"    {command}",
    ]
    for recording in dict.fromkeys(row.recording for row in rows):
        own = [row for row in rows if row.recording == recording]
        views = max(len(row.views) for row in own)
        whole = [_cells(row) for row in own if "," not in row.answer]
        alone = [_cells(row) for row in own if "," in row.answer]
        parts += [f"## {recording} ({views} views)", table(_HEADER, whole)]
        if alone:
            parts += [
                "Nothing made steady, and each part of it alone (docs/steadying.md):",
                table(_HEADER, alone),
            ]
    return "\n\n".join(parts) + "\n"


def results(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Return the same for programs, with every view."""
    return [
        {
            "recording": row.recording,
            "detector": row.detector,
            "answer": row.answer,
            "look_ahead": row.look_ahead,
            "mean": dataclasses.asdict(row.mean),
            "views": {name: dataclasses.asdict(each) for name, each in row.views.items()},
        }
        for row in rows
    ]


def _cells(row: Row) -> list[str]:
    mean = row.mean
    answer = row.answer if row.look_ahead is None else f"ours, look-ahead {row.answer}"
    return [
        f"`{row.detector}`" if "_" in row.detector else row.detector,
        OWN_3D if row.look_ahead is None else answer,
        *(f"{value:.0f}" for value in (mean.mpjpe, mean.n_mpjpe, mean.p_mpjpe)),
        f"{mean.jitter:.1f}",
        f"{mean.acceleration_error:.1f}",
        f"{mean.lag:.0f}" if np.isfinite(mean.lag) else "",
        f"{mean.knee_angle_error:.1f}",
        f"{mean.elbow_angle_error:.1f}",
        *(f"{value:.0f}" for value in (mean.swaps, mean.swaps_followed, mean.unanswered)),
        f"{mean.covered:.0%}" if np.isfinite(mean.covered) else "",
    ]
