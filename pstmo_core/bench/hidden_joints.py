"""Hides joints of recorded keypoints, as an image's border or a table would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pstmo_core.keypoints.clip import Clip
from pstmo_core.keypoints.layouts import get_layout

#: Parts of the names of joints, of any layout.
LEGS = ("knee", "ankle", "heel", "foot", "toe")
BELOW_CHEST = ("hip", "spine", "pelvis", *LEGS)


def has_part(name: str, parts: Sequence[str]) -> bool:
    """Say whether any of the parts is in a joint's name."""
    return any(part in name for part in parts)


def without(clip: Clip, parts: Sequence[str]) -> Clip:
    """Return keypoints in which joints whose names have any of the parts are not seen."""
    scores = clip.scores.copy()
    scores[..., [has_part(name, parts) for name in get_layout(clip.layout).joint_names]] = 0
    return replace(clip, scores=scores)
