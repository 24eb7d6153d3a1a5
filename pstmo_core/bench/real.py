"""Accuracy of skeletons on real video: detectors' keypoints, lifted, against a 3D reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pstmo_core.bench.real_recordings import JUDGED, View, judged
from pstmo_core.evaluation.metrics import mpjpe, n_mpjpe, p_mpjpe
from pstmo_core.keypoints.clip import Clip
from pstmo_core.model.config import INTERVAL
from pstmo_core.runtime import AnyRuntime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip

#: Accelerations are second differences over this time: over a frame of 1/60 s they would be noise.
ACCELERATION_STEP = 1 / 30
OWN_3D = "its own 3D"
#: Frames; a lag beyond it is not looked for.
_FARTHEST_LAG = 15

_AT = {name: column for column, name in enumerate(JUDGED)}
_HIPS = [_AT["rhip"], _AT["lhip"]]
_ARMS, _LEGS = slice(0, 6), slice(6, 12)
_MIRRORED = [_AT[("l" if name[0] == "r" else "r") + name[1:]] for name in JUDGED]
_ANGLES = {"knee": ("hip", "knee", "ankle"), "elbow": ("shoulder", "elbow", "wrist")}


@dataclass(frozen=True)
class Measures:
    """The measures of one row: means over the frames of a view, or over views."""

    mpjpe: float
    """mm, mid-hips aligned."""
    n_mpjpe: float
    """mm, after the best scale."""
    p_mpjpe: float
    """mm, after Procrustes."""
    jitter: float
    """mm: mean second difference from frame to frame."""
    acceleration_error: float
    """m/s², over `ACCELERATION_STEP`."""
    lag: float
    """ms by which the motion of the answer is behind that of the reference; NaN if unclear."""
    knee_angle_error: float
    """Degrees."""
    elbow_angle_error: float
    """Degrees."""
    swaps: float
    """Frames in which left and right of the arms or the legs are exchanged in the keypoints."""
    swaps_followed: float
    """Frames in which they are exchanged in the answer."""
    unanswered: float
    """Frames without all twelve joints."""
    covered: float
    """Share of joints nearer to the reference than 2.5 sigma, NaN where no sigma is given."""

    @classmethod
    def mean(cls, parts: Sequence[Measures]) -> Measures:
        """Average the measures of views; counts of frames are added up."""
        values = np.array([list(vars(part).values()) for part in parts])
        known = np.isfinite(values)
        sums = np.where(known, values, 0).sum(0)
        means = np.where(known.any(0), sums / np.maximum(known.sum(0), 1), np.nan)
        totals = dict(zip(vars(parts[0]), means.tolist(), strict=True))
        for name in ("swaps", "swaps_followed", "unanswered"):
            totals[name] *= len(parts)
        return cls(**totals)


@dataclass(frozen=True)
class Row:
    """One row of the table, for one recording."""

    recording: str
    detector: str
    answer: str
    look_ahead: int | None
    """None where the answer is the detector's own."""
    views: dict[str, Measures]
    """View -> its measures."""

    @property
    def mean(self) -> Measures:
        """The measures over all views."""
        return Measures.mean(list(self.views.values()))


def measure_all(
    recordings: dict[str, list[View]],
    runtime: AnyRuntime,
    configs: dict[str, StreamConfig],
    calibrated: bool = False,
    gravity: bool = False,
) -> Iterator[Row]:
    """Measure every detector of every recording with every setting, a row at a time.

    Args:
        recordings: as `load_recordings` returns them.
        runtime: the network.
        configs: name of the answer -> settings.
        calibrated: whether the lifter is told the camera's calibration.
        gravity: whether it is told where up is.
    """
    for recording, views in recordings.items():
        for detector in dict.fromkeys(name for view in views for name in view.keypoints):
            seen = [view for view in views if detector in view.keypoints]
            own = {view.name: view.own[detector] for view in seen if detector in view.own}
            if own:
                yield _row(recording, detector, OWN_3D, None, seen, own)
            for answer, config in configs.items():
                lifted = {
                    view.name: lift(view, detector, runtime, config, calibrated, gravity)
                    for view in seen
                }
                yield _row(recording, detector, answer, config.look_ahead, seen, lifted)


def count_rows(recordings: dict[str, list[View]], answers: int) -> int:
    """Return how many rows `measure_all` yields with so many settings."""
    count = 0
    for views in recordings.values():
        count += answers * len({name for view in views for name in view.keypoints})
        count += len({name for view in views for name in view.own})
    return count


def lift(
    view: View,
    detector: str,
    runtime: AnyRuntime,
    config: StreamConfig,
    calibrated: bool = False,
    gravity: bool = False,
) -> np.ndarray:
    """Lift a detector's keypoints as the node would.

    Returns:
        The `JUDGED` joints (F, 12, 4): x, y, z, and sigma, NaN from a network that gives none.
    """
    camera = view.camera if calibrated else None
    pose = view.pose if gravity else None
    lifted = lift_clip(view.keypoints[detector], runtime, config, camera=camera, pose=pose)
    both = np.concatenate([lifted.joints[:, 0], lifted.sigma[:, 0, :, None]], -1)
    return judged(both, "h36m17")


def _row(
    recording: str,
    detector: str,
    answer: str,
    look_ahead: int | None,
    views: list[View],
    answers: dict[str, np.ndarray],
) -> Row:
    measures = {
        view.name: measure(answers[view.name], view, view.keypoints[detector])
        for view in views
        if view.name in answers
    }
    return Row(recording, detector, answer, look_ahead, measures)


def measure(answer: np.ndarray, view: View, keypoints: Clip) -> Measures:
    """Judge an answer (F, 12, 3 or 4), metres and perhaps sigma, against a view's reference."""
    sigma = answer[..., 3] if answer.shape[-1] == 4 else np.full(answer.shape[:2], np.nan)
    answer, reference = centred(answer[..., :3].astype(np.float64)), centred(view.reference)
    complete = np.isfinite(answer).all((1, 2))
    both = complete & np.isfinite(reference).all((1, 2))
    pair = answer[both], reference[both]
    stride = max(1, round(ACCELERATION_STEP * view.fps))
    acceleration = _second_difference(answer - reference, stride) / (stride / view.fps) ** 2
    angles = {name: _angle_error(*pair, joints) for name, joints in _ANGLES.items()}
    return Measures(
        mpjpe=_mean(mpjpe(*pair)) * 1e3,
        n_mpjpe=_mean(n_mpjpe(*pair)) * 1e3,
        p_mpjpe=_mean(p_mpjpe(*pair)) * 1e3,
        jitter=_mean(_second_difference(answer, 1)) * 1e3,
        acceleration_error=_mean(acceleration),
        lag=_lag(answer, reference) / view.fps * 1e3,
        knee_angle_error=angles["knee"],
        elbow_angle_error=angles["elbow"],
        swaps=float(_exchanged(*_as_rays(view, keypoints)).sum()),
        swaps_followed=float(_exchanged(*pair).sum()),
        unanswered=float((~complete).sum()),
        covered=_covered(*pair, sigma[both]),
    )


def centred(joints: np.ndarray) -> np.ndarray:
    """Return the judged joints (..., 12, 3) relative to the middle of the hips."""
    return joints - joints[..., _HIPS, :].mean(-2, keepdims=True)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _covered(answer: np.ndarray, reference: np.ndarray, sigma: np.ndarray) -> float:
    known = np.isfinite(sigma)
    within = np.linalg.norm(answer - reference, axis=-1)[known] <= INTERVAL * sigma[known]
    return float(within.mean()) if within.size else float("nan")


def _second_difference(joints: np.ndarray, stride: int) -> np.ndarray:
    """Return (n, 12): the length of each joint's second difference over a stride of frames."""
    ends = joints[2 * stride :] + joints[: -2 * stride]
    return np.linalg.norm(ends - 2 * joints[stride:-stride], axis=-1)


def _lag(answer: np.ndarray, reference: np.ndarray) -> float:
    """Return by how many frames one motion follows the other: the shift at which they fit best.

    What a joint is off throughout does not count.
    """
    shifts = range(-_FARTHEST_LAG, _FARTHEST_LAG + 1)
    inner = reference[_FARTHEST_LAG:-_FARTHEST_LAG]
    if len(inner) < 2 * _FARTHEST_LAG:
        return float("nan")
    misfits = []
    for shift in shifts:
        first = _FARTHEST_LAG + shift
        error = answer[first : first + len(inner)] - inner
        misfits.append(float(np.nanmean(np.nanvar(error, axis=0))))
    best = int(np.argmin(misfits))
    if not 0 < best < len(shifts) - 1:
        return float("nan")
    before, there, after = misfits[best - 1 : best + 2]
    return shifts[best] + (before - after) / 2 / (before + after - 2 * there)


def _angle_error(answer: np.ndarray, reference: np.ndarray, joints: tuple[str, ...]) -> float:
    first, middle, last = ([_AT["r" + name], _AT["l" + name]] for name in joints)

    def angles(poses: np.ndarray) -> np.ndarray:
        one, other = poses[:, first] - poses[:, middle], poses[:, last] - poses[:, middle]
        cosine = (one * other).sum(-1) / np.linalg.norm(one, axis=-1)
        cosine /= np.linalg.norm(other, axis=-1)
        return np.degrees(np.arccos(np.clip(cosine, -1, 1)))

    return _mean(np.abs(angles(answer) - angles(reference)))


def _as_rays(view: View, keypoints: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Return rays (F, 12, 2) of the keypoints and of the reference."""
    points = judged(keypoints.keypoints[:, 0], keypoints.layout)
    known = np.isfinite(points)
    rays = np.where(known, view.camera.rays(np.where(known, points, 0)), np.nan)
    return rays, view.reference[..., :2] / view.reference[..., 2:]


def _exchanged(points: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Say in which frames (F,) the left and right arm, or leg, have changed places.

    They have if exchanging them back brings the points nearer to the reference by more than half
    the distance between left and right, in limbs that lie well apart (a tenth of the body's size).
    """
    size = np.linalg.norm(reference - reference.mean(1, keepdims=True), axis=-1).mean(1)
    found = np.zeros(len(points), bool)
    for limbs in (_ARMS, _LEGS):
        apart = np.linalg.norm(reference - reference[:, _MIRRORED], axis=-1)[:, limbs].mean(1)
        there = np.linalg.norm(points - reference, axis=-1)[:, limbs].mean(1)
        back = np.linalg.norm(points[:, _MIRRORED] - reference, axis=-1)[:, limbs].mean(1)
        found |= (there - back > apart / 2) & (apart > 0.2 * size)
    return found
