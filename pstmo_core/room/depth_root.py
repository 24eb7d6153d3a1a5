"""Measures people's distances from the depth image at their joints.

Joints lie behind the surface that the camera sees; the middle of the trunk by 11 to 17 cm,
depending on the side from which it is seen. Limbs are thin, and a reading may hit the background
beside them: their joints count only where they agree with the trunk. Each joint is read in a patch
instead of a pixel, because depth images have holes and false pixels between near and far.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.room.body_surface import LIMB_DEPTHS, MIDDLE, hidden, middle_depths
from pstmo_core.room.size_reading import SizeReading
from pstmo_core.skeleton import JOINT_NAMES

#: The joints that say where the trunk is.
_TRUNK = np.append(MIDDLE, [JOINT_NAMES.index(name) for name in ("rshoulder", "lshoulder")])
#: A joint further than this from where the trunk puts it shows something else, metres.
_ALIKE = 0.25
#: Fewest joints that must agree.
_FEWEST = 3
#: Deviation of a body's depth from frame to frame, and of what it lies behind, metres; and
#: of a depth camera's scale.
_WHITE, _STEADY, _SCALE = 0.04, 0.03, 0.01
#: Patches are this share of the distance hip to shoulder to each side, in pixels at least 1.
_PATCH = 0.06
_MOST_PIXELS = 6


def sample_depth(
    image: np.ndarray, points: np.ndarray, size: tuple[int, int], scale: float
) -> np.ndarray:
    """Read a registered depth image at joints.

    Args:
        image: (H, W) depths; 0, NaN and infinite values are holes. It shows what the colour image
            shows, at any resolution.
        points: (P, 17, 2) pixels of the colour image; NaN where not known.
        size: width and height of the colour image.
        scale: metres that 1 means.

    Returns:
        (P, 17) float32 metres along the camera's axis; NaN where there is nothing to read.
    """
    rows, columns = image.shape
    grid = np.array([columns / size[0], rows / size[1]])
    at = points * grid
    known = np.isfinite(at).all(-1) & (at >= 0).all(-1) & (at < (columns, rows)).all(-1)
    reach = _reaches(at, known)[:, None, None]
    steps = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(-1, 2) / 1.0
    pixels = np.where(known[..., None], at, 0.0)[:, :, None] + steps * reach[..., None]
    pixels = np.floor(pixels).astype(int)
    x = np.clip(pixels[..., 0], 0, columns - 1)
    y = np.clip(pixels[..., 1], 0, rows - 1)
    values = image[y, x].astype(np.float32) * np.float32(scale)
    values[~(np.isfinite(values) & (values > 0)) | ~known[..., None]] = np.nan
    return _near_side(values)


def _reaches(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return how far (P,) in pixels the samples of a joint are apart."""
    high = np.where(known[..., None], points, -np.inf).max(1)
    low = np.where(known[..., None], points, np.inf).min(1)
    extent = np.where(np.isfinite(high - low), high - low, 0.0).max(-1)
    reach: np.ndarray = np.clip(extent * _PATCH / 3, 1.0, _MOST_PIXELS)
    return reach


def _near_side(values: np.ndarray) -> np.ndarray:
    """Return the lower quartile (P, 17) of samples (P, 17, 9): the body is before the rest."""
    count = np.isfinite(values).sum(-1)
    ordered = np.sort(values, axis=-1)  # NaN last
    row = np.maximum(count - 1, 0) // 4
    near = np.take_along_axis(ordered, row[..., None], -1)[..., 0]
    found: np.ndarray = np.where(count >= 3, near, np.float32(np.nan))
    return found


class DepthReader:
    """Says from depths at joints by how much people are larger than they were lifted."""

    def read_sizes(self, bodies: np.ndarray, depths: np.ndarray) -> SizeReading:
        """Say by how much people are larger than they were lifted.

        Args:
            bodies: (P, 17, 3) metres, camera's optical frame, where people of the lifted size
                would stand.
            depths: (P, 17) metres, see `sample_depth`.
        """
        lifted = bodies[..., 2]
        behind = np.tile(LIMB_DEPTHS, (len(bodies), 1))
        behind[:, MIDDLE] = middle_depths(bodies)[:, None]
        measured = depths + behind
        covered = hidden(bodies)
        covered[:, MIDDLE] = False  # they are always inside
        usable = np.isfinite(measured) & (lifted > 0) & ~covered
        growth = np.log(np.where(usable, measured, 1.0) / np.where(usable, lifted, 1.0))
        trunk = usable[:, _TRUNK]
        middle = _lower_median(growth[:, _TRUNK], trunk)
        usable &= trunk.any(-1)[:, None]
        off = np.abs(np.expm1(growth - middle[:, None])) * np.where(usable, lifted, 0.0)
        usable &= off < _ALIKE
        count = usable.sum(-1)
        known = count >= _FEWEST
        total = np.where(usable, growth, 0.0).sum(-1) / np.maximum(count, 1)
        away = np.where(usable, measured, 0.0).sum(-1) / np.maximum(count, 1)
        away = np.maximum(away, 0.2)
        white = np.where(known, (_WHITE / away) ** 2, np.inf)
        steady = np.where(known, (_STEADY / away) ** 2 + _SCALE**2, np.inf)
        return SizeReading(np.where(known, total, 0.0), white, steady, known)


def _lower_median(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return the lower median (P,) of the usable of values (P, K), 0 without any."""
    ordered = np.sort(np.where(usable, values, np.inf), axis=1)
    middle = np.maximum(usable.sum(1) - 1, 0) // 2
    found = np.take_along_axis(ordered, middle[:, None], 1)[:, 0]
    return np.where(np.isfinite(found), found, 0.0)
