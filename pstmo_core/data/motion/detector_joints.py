"""The joints that detectors do not know, as the layout tables compute them from those they do.

Pelvis, spine, thorax and neck of detector keypoints are weighted sums of shoulders, hips, knees
and ears (`pstmo_core.keypoints.layouts.tables`), the last three 15 to 26 mm from where the motion
capture has them. A network that has only seen the captured ones pays for that on real input; so it
is shown both kinds.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pstmo_core.data.motion.bodies import transform
from pstmo_core.keypoints.layouts.tables import DETECTOR
from pstmo_core.skeleton import JOINT_NAMES, JOINTS

_DERIVED = ("hip", "spine", "thorax", "neck_nose")
#: The capture's head joint is the middle of the ears.
_STANDS_FOR = {"lear": "head", "rear": "head"}


def derivation() -> np.ndarray:
    """Return (17, 17) float32: a product with captured joints gives them as from COCO points."""
    matrix = np.eye(JOINTS, dtype=np.float32)
    for name in _DERIVED:
        row = JOINT_NAMES.index(name)
        matrix[row] = 0
        for point, weight in DETECTOR[name][0].items():
            matrix[row, JOINT_NAMES.index(_STANDS_FOR.get(point, point))] += weight
    return matrix


_DERIVATION = derivation()


def derive(rays: Tensor, seen: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Replace the derived joints of the chosen (B,) windows.

    Args:
        rays: (B, F, 17, 2), faults and all: those of the sources are handed on.
        seen: (B, F, 17), scores, 0.0 where not seen; a derived joint has its sources' lowest.
        chosen: (B,) bool.
    """
    matrix = torch.as_tensor(_DERIVATION, device=rays.device)
    lowest = seen.clone()
    for name in _DERIVED:
        row = JOINT_NAMES.index(name)
        lowest[..., row] = seen[..., _DERIVATION[row].nonzero()[0]].amin(-1)
    pick = chosen[:, None, None]
    return (
        torch.where(pick[..., None], transform(rays, matrix, None), rays),
        torch.where(pick, lowest, seen),
    )
