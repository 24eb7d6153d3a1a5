"""Human3.6M's 17 joints: what the network takes."""

from __future__ import annotations

from pstmo_core.keypoints.layouts.layout import Layout
from pstmo_core.keypoints.layouts.tables import same
from pstmo_core.skeleton import JOINT_NAMES

H36M17 = Layout("h36m17", JOINT_NAMES, {name: same(name) for name in JOINT_NAMES})
