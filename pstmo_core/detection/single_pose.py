"""MoveNet's networks for one person, lightning and thunder: a square of the image in, points out.

The square for an image is made of the person's keypoints in the image before.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pstmo_core.detection.base import DetectorError
from pstmo_core.detection.network_file import open_session
from pstmo_core.detection.warping import warped
from pstmo_core.skeleton import mirror_order

#: Keypoints with a lower score do not count where the person is.
SEEN = 0.2
#: Fewest seen keypoints from which a square is made.
_FEWEST = 4
#: How much larger than the keypoints' box a square is.
_MARGIN = 1.25
#: Lengths of shank and leg, in those of the trunk, with feet.
_SHANK, _LEG = 1.0, 1.8
#: Distance of the top of the head from the shoulders, in lengths of the trunk.
_HEAD = 0.7
#: How far below the shoulders a square reaches, in lengths of the trunk, at least; and the trunk's
#: length in widths of the shoulders and lengths of an upper arm, which only look shorter.
_HIPS, _TRUNK_BY_WIDTH, _TRUNK_BY_ARM = 1.3, 1.3, 1.6
#: How much larger the square of the second look is.
_WIDER = 1.15
#: The points of a person in a mirror.
_MIRRORED = mirror_order(left=tuple(range(1, 17, 2)), right=tuple(range(2, 17, 2)), joints=17)
#: How far a person's square may be from the best one, in sides, before it is moved there.
_SLACK = 0.05


class SinglePose:
    """Finds the keypoints of the one person in the middle of a square.

    Args:
        path: the network.
        threads: of its inference.

    Raises:
        DetectorError: if the file is missing or holds another network.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._session = open_session(path, threads)
        self._input = self._session.get_inputs()[0]
        shape, outputs = self._input.shape, self._session.get_outputs()
        if (
            self._input.type != "tensor(int32)"
            or len(shape) != 4
            or not isinstance(shape[1], int)
            or list(outputs[0].shape[-2:]) != [17, 3]
        ):
            raise DetectorError(
                f"{path}: is not MoveNet lightning or thunder, whose input is an int32 image of "
                "fixed size and whose output is (1, 1, 17, 3)"
            )
        self._side = int(shape[1])

    def detect(
        self, image: np.ndarray, squares: np.ndarray, twice: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the keypoints of people.

        Args:
            image: (H, W, 3) uint8 BGR.
            squares: (P, 3): x and y of the middle, and the side, pixels.
            twice: whether to look again, in a mirror and from a little farther away, and to answer
                with the mean: that takes twice the time, and points tremble less.

        Returns:
            Points (P, 17, 2) in pixels of the image, and scores (P, 17) from 0 to 1, float32.
        """
        found = np.empty((len(squares), 17, 3), np.float32)
        for one, square in zip(found, squares, strict=True):
            one[:] = self._look(image, square)
            if twice:
                wider = square * (1, 1, _WIDER)
                one[:] = _mean(one, self._look(image, wider, mirrored=True))
        return found[..., :2].copy(), found[..., 2].copy()

    def _look(self, image: np.ndarray, square: np.ndarray, mirrored: bool = False) -> np.ndarray:
        """Return (17, 3): x and y in pixels of the image, and scores."""
        crop = square_crop(image, square, self._side)
        if mirrored:
            crop = crop[:, ::-1]
        tensor = crop[None, ..., ::-1].astype(np.int32)
        found = self._session.run(None, {self._input.name: tensor})[0].reshape(17, 3)
        if mirrored:
            found = found[_MIRRORED] * (1, -1, 1) + (0, 1, 0)
        corner = square[:2] - square[2] / 2
        return np.column_stack([found[:, [1, 0]] * square[2] + corner, found[:, 2]])


def _mean(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the mean (17, 3) of two answers, points weighted by their scores' squares."""
    weights = np.stack([first[:, 2:], second[:, 2:]]) ** 2 + 1e-6
    points = np.stack([first[:, :2], second[:, :2]])
    mean = (points * weights).sum(0) / weights.sum(0)
    return np.column_stack([mean, (first[:, 2] + second[:, 2]) / 2])


def square_crop(image: np.ndarray, square: np.ndarray, side: int) -> np.ndarray:
    """Return a square of an image (H, W, 3) at a size of side x side; black beyond its edges.

    Where the square is much larger than that, pixels are averaged first: of the few that a plain
    interpolation would look at, the keypoints tremble.
    """
    x, y, length = square
    pixel = length / side  # of the crop, in pixels of the image; centres lie at + 0.5
    left, top = x - length / 2, y - length / 2
    averaged = max(1, round(pixel))
    # One more on each side, as pixels are interpolated.
    begin = np.maximum(np.floor([left, top]).astype(int) - averaged, 0)
    wanted = np.ceil([left + length, top + length]).astype(int) + 2 * averaged
    end = np.minimum(wanted, image.shape[1::-1])
    size = (end - begin) // averaged
    if (size < 1).any():
        return np.zeros((side, side, 3), np.uint8)
    end = begin + size * averaged
    part = image[begin[1] : end[1], begin[0] : end[0]]
    if averaged > 1:
        part = cv2.resize(part, size.tolist(), interpolation=cv2.INTER_AREA)
    step = pixel / averaged
    shift = (np.array([left, top]) + pixel / 2 - begin) / averaged - 0.5
    to_part = np.array([[step, 0, shift[0]], [0, step, shift[1]]], np.float32)
    return warped(part, to_part, (side, side))


def squares_round(
    points: np.ndarray, scores: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return squares (P, 3) round people, and (P,) whether enough of each is seen for one.

    Legs and heads that are not seen must have room in the square, if the image has it: otherwise
    they would never be seen again. Hips must have room even beyond the image: of a trunk that the
    square cuts, the network knows nothing for sure.

    Args:
        points: (P, 17, 2) pixels.
        scores: (P, 17).
        shape: height and width of the image.
    """
    seen = (scores >= SEEN)[..., None]
    low = np.where(seen, points, np.inf).min(1)
    high = np.where(seen, points, -np.inf).max(1)
    legs_low, legs_high = _room_for_legs(points, seen[..., 0])
    edge = np.array(shape[1::-1], np.float32)
    hips_low, hips_high = _room_for_hips(points, seen[..., 0])
    head = _room_for_heads(points, seen[..., 0])
    low = np.minimum(low, np.minimum(np.maximum(np.fmin(legs_low, head), 0), hips_low))
    high = np.maximum(high, np.maximum(np.minimum(np.fmax(legs_high, head), edge), hips_high))
    enough = seen[..., 0].sum(1) >= _FEWEST
    with np.errstate(invalid="ignore"):  # infinite where nothing is seen
        squares = np.concatenate([(low + high) / 2, (high - low).max(-1, keepdims=True)], -1)
    squares[:, 2] = np.maximum(squares[:, 2] * _MARGIN, 1)
    return squares, enough


def _room_for_legs(points: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where feet may be, (P, 2) low and high pixels, of people without a seen ankle.

    They are a shank from a knee that is seen, or a leg from a hip: below it, and where the trunk
    points to. For others, and where no trunk is seen, low is infinite and high minus infinity.

    Args:
        points: (P, 17, 2) pixels.
        seen: (P, 17).
    """
    shoulders, hips, knees, ankles = [5, 6], [11, 12], [13, 14], [15, 16]
    lost = np.any(seen[:, shoulders], 1) & np.any(seen[:, hips], 1) & ~np.any(seen[:, ankles], 1)
    trunk = _middle(points, seen, hips) - _middle(points, seen, shoulders)
    length = np.linalg.norm(trunk, axis=-1, keepdims=True)
    width = np.linalg.norm(points[:, 5] - points[:, 6], axis=-1)
    size = np.maximum(length[:, 0], np.where(seen[:, shoulders].all(1), width, 0.0))
    below = np.broadcast_to((0.0, 1.0), trunk.shape)
    ways = np.stack([below, trunk / np.maximum(length, 1e-6)], 1)
    by_knees = np.any(seen[:, knees], 1)
    reach = np.where(by_knees, _SHANK, _LEG) * size
    joints = np.where(by_knees[:, None], knees, hips)
    there = np.take_along_axis(seen, joints, 1)[:, :, None, None] & lost[:, None, None, None]
    ends = np.take_along_axis(points, joints[..., None], 1)[:, :, None]
    ends = ends + (reach[:, None, None] * ways)[:, None]  # (P, joints, ways, 2)
    return (
        np.where(there, ends, np.inf).min((1, 2)),
        np.where(there, ends, -np.inf).max((1, 2)),
    )


def _room_for_heads(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return where the top of the head may be, (P, 2) pixels, of people without a seen face.

    It is where the trunk points to; NaN for others, and where no trunk is seen.
    """
    shoulders, hips = [5, 6], [11, 12]
    lost = np.any(seen[:, shoulders], 1) & np.any(seen[:, hips], 1) & ~np.any(seen[:, :5], 1)
    chest = _middle(points, seen, shoulders)
    top = chest + _HEAD * (chest - _middle(points, seen, hips))
    return np.where(lost[:, None], top, np.nan)


def _room_for_hips(points: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where hips may be, as `_room_for_legs`, of people without a seen knee or ankle.

    They are below the shoulders, or where the trunk points to.
    """
    shoulders, hips = [5, 6], [11, 12]
    lost = np.any(seen[:, shoulders], 1) & ~np.any(seen[:, 13:], 1)
    chest = _middle(points, seen, shoulders)
    trunk = _middle(points, seen, hips) - chest
    known = np.any(seen[:, hips], 1, keepdims=True)
    length = np.where(known, np.linalg.norm(trunk, axis=-1, keepdims=True), 0)
    width = np.linalg.norm(points[:, 5] - points[:, 6], axis=-1)
    width = np.where(seen[:, shoulders].all(1), width, 0)[:, None]
    arms = np.linalg.norm(points[:, [5, 6]] - points[:, [7, 8]], axis=-1)
    arms = np.where(seen[:, [5, 6]] & seen[:, [7, 8]], arms, 0).max(1, keepdims=True)
    size = np.maximum(length, np.maximum(_TRUNK_BY_WIDTH * width, _TRUNK_BY_ARM * arms))
    way = np.where(known, trunk / np.maximum(length, 1e-6), (0.0, 1.0))
    ends = chest + _HIPS * size * way
    lost = lost[:, None]
    return np.where(lost, ends, np.inf), np.where(lost, ends, -np.inf)


def _middle(points: np.ndarray, seen: np.ndarray, pair: list[int]) -> np.ndarray:
    """Return the mean (P, 2) of those of two points that are seen."""
    weights = seen[:, pair, None] + 1e-6
    return (points[:, pair] * weights).sum(1) / weights.sum(1)


def steadied(before: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return squares (P, 3), but those of the image before where these still do.

    A square that moves with the keypoints that were found in it makes them tremble: the network's
    answer depends a little on how its input is cut.
    """
    shift = np.abs(squares[:, :2] - before[:, :2]).max(-1)
    growth = np.abs(squares[:, 2] - before[:, 2]) / 2
    still = np.maximum(shift, growth) < _SLACK * before[:, 2]
    return np.where(still[:, None], before, squares)
