"""Notes for the user on a lift: what was left out, what looks wrong, and how exact it is."""

from __future__ import annotations

import numpy as np

from pstmo_core.evaluation.metrics import mpjpe, p_mpjpe
from pstmo_core.keypoints.clip import Clip
from pstmo_core.keypoints.sightings import Sightings
from pstmo_core.lift.settings import MOST_PEOPLE, LiftSettings
from pstmo_core.skeleton import JOINT_NAMES, ROOT
from pstmo_core.streaming.config import TILT_UNKNOWN
from pstmo_core.streaming.lift_clip import Prediction

_ANKLES = [JOINT_NAMES.index(name) for name in ("rankle", "lankle")]
_THORAX = JOINT_NAMES.index("thorax")
#: Cosine between the legs and the trunk of somebody who stands or walks upright.
_STRAIGHT = np.cos(np.radians(25.0))
#: Skeletons of such people, and degrees by which they lean, from which on a user is told.
_MANY, _LEANING = 30, 12.0
_SECOND = 1e9
#: How many times the network's step frames may be apart before the user is warned.
_SPARSE = 6


def losses(lifted: Prediction, settings: LiftSettings) -> tuple[str, ...]:
    """Say what the streaming core did not lift, and why."""
    most, counters = settings.max_people or MOST_PEOPLE, lifted.counters
    reasons = {
        "too_few_joints": (
            "skeleton",
            f"fewer than {settings.stream.min_joints} joints are known (--set min_joints=...)",
        ),
        "too_many_people": ("skeleton", f"more than {most} people at once (--max-people)"),
        "repeated": ("frame", "the stamp had been there already"),
        "late": ("frame", "older than others by more than may be put in order"),
        "overtaken": ("frame", "it came after a later one (--look-ahead waits for such frames)"),
    }
    told = tuple(
        f"{counters[name]} {what}{'s' * (counters[name] > 1)} not lifted: {why}"
        for name, (what, why) in reasons.items()
        if counters.get(name)
    )
    return told if len(lifted.frames) else ("nobody was lifted", *told)


def odd_times(stamps: np.ndarray, step: float) -> tuple[str, ...]:
    """Say so where frames are so far apart, or so close together, that no window shows motion."""
    seconds = stamps / _SECOND
    usual = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
    if usual > _SPARSE * step:
        apart = f"frames are {usual:.3g} s apart, where the network expects {step:.3g} s"
    elif len(seconds) > _SPARSE and np.ptp(seconds) < 2 * step:
        apart = f"all {len(seconds)} frames lie within {np.ptp(seconds):.2g} s"
    else:
        return ()
    return (f"{apart}: each pose rests on a single frame (are the stamps, or --fps, right?)",)


def accuracy(clip: Clip | Sightings, lifted: Prediction) -> tuple[str, ...]:
    """Say how near the skeletons are to the truth, of a clip that has it."""
    if clip.truth is None:
        return ()
    joints, truth = lifted.bodies.joints, clip.truth[lifted.frames, lifted.people]
    known = np.isfinite(joints).all((-2, -1)) & np.isfinite(truth).all((-2, -1))
    if not known.any():
        return ()
    errors = [m(joints[known], truth[known]).mean() * 1e3 for m in (mpjpe, p_mpjpe)]
    return (f"against the file's truth MPJPE {errors[0]:.1f} mm, P-MPJPE {errors[1]:.1f} mm",)


def leaning(lifted: Prediction, settings: LiftSettings) -> tuple[str, ...]:
    """Say so where people lean as they do in the frame of a camera that looks down."""
    if settings.stream.tilt != TILT_UNKNOWN:
        return ()
    joints = lifted.bodies.joints @ settings.stream.upright.levelling.T
    ankles = joints[:, _ANKLES].mean(1)
    trunks, legs = joints[:, _THORAX] - joints[:, ROOT], joints[:, ROOT] - ankles
    lengths = np.linalg.norm(trunks, axis=-1) * np.linalg.norm(legs, axis=-1)
    straight = (trunks * legs).sum(-1) > _STRAIGHT * lengths
    if straight.sum() < _MANY:
        return ()
    _, down, forward = (joints[:, _THORAX] - ankles)[straight].T
    lean = float(np.median(np.degrees(np.arctan2(-forward, -down))))
    if lean < _LEANING:
        return ()
    return (
        f"people lean towards the camera by {lean:.0f} degrees, as before one that looks down: "
        "pstmo tilt finds by how much, and --tilt makes poses more exact",
    )
