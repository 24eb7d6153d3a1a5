"""Halpe's 136 points: body, feet, face and hands."""

from __future__ import annotations

from pstmo_core.keypoints.layouts import halpe26
from pstmo_core.keypoints.layouts.layout import Layout
from pstmo_core.keypoints.layouts.wholebody133 import FACE, HANDS

HALPE136 = Layout("halpe136", (*halpe26.POINTS, *FACE, *HANDS), halpe26.TABLE)
