"""From a recording to clips: metres, z up, 50 frames/s, without glitches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from bones import MotionError, Recording
from namings import Place, joints_of

from pstmo_core.skeleton import JOINT_NAMES

FPS = 50
MOST_FRAMES = 1_000_000
"""Of a recording at 50 frames/s: five and a half hours."""
#: What a file's lengths may be counted in, in metres: CMU's unit, cm, inch, m, mm, dm.
_UNITS = (0.0254 / 0.45, 0.01, 0.0254, 1.0, 0.001, 0.1)
_LEG = (0.62, 1.08)
"""Metres between hip and ankle along the bones, of grown people."""
_NEAR_GLITCH = 0.12
"""Seconds around a glitch that are cut out."""
_LIMITS = {"acceleration": 400.0, "speed": 16.0, "root_acceleration": 150.0}
"""Of a joint relative to the hip (m/s2, m/s) and of the hip: above it is a glitch."""
_ANKLE_HEIGHT = 0.075
_HEAD = JOINT_NAMES.index("head")
_ANKLES = [JOINT_NAMES.index("lankle"), JOINT_NAMES.index("rankle")]
LIMBS = (("rhip", "rknee", "rankle"), ("lhip", "lknee", "lankle"),
         ("lshoulder", "lelbow", "lwrist"), ("rshoulder", "relbow", "rwrist"))  # fmt: skip


@dataclass
class Clip:
    """A piece of motion without glitches."""

    positions: np.ndarray
    """(F, 17, 3) metres, z up, at 50 frames/s."""
    begin: float
    """Seconds from the beginning of the recording."""
    source_fps: int
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversion:
    """How joints of a file become clips."""

    unit: float | None = None
    """Metres of the file's unit; None: from the length of the legs."""
    up: str | None = None
    """The file's axis that points up, y or z; None: y, if people stand along it."""
    feet_on_floor: bool = False
    """Whether the height is changed so that the lower ankle is 7.5 cm above the floor at rest."""
    shortest: float = 1.0
    """Seconds below which a piece between glitches is left out."""
    longest: float = 120.0
    """Seconds after which a clip is divided."""


def convert(
    recording: Recording, how: Conversion, naming: Mapping[str, Place] | None = None
) -> list[Clip]:
    """Convert a recording to clips without glitches.

    Raises:
        MotionError: if the bones or their lengths are unknown, or the recording is too long.
    """
    joints = joints_of(recording, naming)[recording.resting :]
    if len(joints) < 2:
        raise MotionError("has only one frame, or only the rest pose")
    if len(broken := np.flatnonzero(~np.isfinite(joints).all((1, 2)))):
        raise MotionError(f"joints of frame {recording.resting + broken[0] + 1} are at infinity")
    joints = joints * (how.unit or unit_of(joints))
    if (how.up or _up_axis(joints)) == "y":
        joints = joints[..., [0, 2, 1]] * [1, -1, 1]
    resampled = resample(joints, recording.fps)
    bad = glitches(resampled)
    if how.feet_on_floor:
        resampled[..., 2] += _ANKLE_HEIGHT - np.percentile(resampled[:, _ANKLES, 2].min(1), 5)
    begin = recording.resting / recording.fps
    return [
        Clip(resampled[a:b], begin + a / FPS, round(recording.fps))
        for a, b in _pieces(~bad, round(how.shortest * FPS), round(how.longest * FPS))
    ]


def unit_of(joints: np.ndarray) -> float:
    """Return the metres of a file's unit, from the legs of joints (F, 17, 3).

    Raises:
        MotionError: if no unit gives legs of people.
    """
    first = joints[:1]
    leg = sum(lengths(first, a, b)[0] for a, b in pairwise(LIMBS[0]))
    for unit in _UNITS:
        if _LEG[0] <= leg * unit <= _LEG[1]:
            return unit
    raise MotionError(
        f"a leg is {leg:.3g} units long: say with --unit how many metres a unit is "
        f"({0.85 / max(leg, 1e-9):.2g} for a leg of 85 cm)"
    )


def _up_axis(joints: np.ndarray) -> str:
    """Return y, the usual axis, unless people stand along z."""
    body = joints[:, _HEAD] - joints[:, _ANKLES].mean(1)
    _, along_y, along_z = np.median(body, axis=0)
    if along_z > max(along_y, 0.5):
        raise MotionError(
            "its people stand along z: say --up z, or --up y if they really lie in most frames"
        )
    return "y"


def lengths(joints: np.ndarray, a: str, b: str) -> np.ndarray:
    """Return the distances (F,) between two joints of (F, 17, 3)."""
    difference = joints[:, JOINT_NAMES.index(a)] - joints[:, JOINT_NAMES.index(b)]
    return np.asarray(np.linalg.norm(difference, axis=-1))


def glitches(joints: np.ndarray) -> np.ndarray:
    """Say of which frames (F,) of joints (F, 17, 3), metres, a jump is nearer than 0.12 s."""
    bad = ~np.isfinite(joints).all((1, 2))
    relative = joints - joints[:, :1]
    for values, limit, order in (
        (relative, _LIMITS["acceleration"], 2),
        (relative, _LIMITS["speed"], 1),
        (joints[:, :1], _LIMITS["root_acceleration"], 2),
    ):
        if len(joints) > order:
            change = np.linalg.norm(np.diff(values, order, axis=0), axis=-1).max(1) * FPS**order
            bad[: len(change)] |= ~(change <= limit)
            bad[order:] |= ~(change <= limit)
    around = np.ones(2 * round(_NEAR_GLITCH * FPS) + 1)
    return np.convolve(bad, around)[len(around) // 2 :][: len(bad)] > 0


def resample(joints: np.ndarray, fps: float) -> np.ndarray:
    """Interpolate joints (F, 17, 3) at 50 frames/s by cubics.

    Limbs get back the length that they have in the file's frames.

    Raises:
        MotionError: if the recording is too long.
    """
    frames = int((len(joints) - 1) * FPS / fps + 1e-6) + 1
    if frames > MOST_FRAMES:
        raise MotionError(f"lasts {frames / FPS / 3600:.1f} hours: divide it into several files")
    times = np.arange(frames) * fps / FPS
    before = np.clip(times.astype(int), 0, max(len(joints) - 2, 0))
    # The first and last frames continue straight on, so that every frame has two on either side.
    ends = np.concatenate([2 * joints[:1] - joints[1:2], joints, 2 * joints[-1:] - joints[-2:-1]])
    t = (times - before)[:, None, None]
    a, b, c, d = (ends[before + k] for k in range(4))
    between = (  # the cubic through four frames, at -1, 0, 1 and 2
        -t * (t - 1) * (t - 2) / 6 * a + (t + 1) * (t - 1) * (t - 2) / 2 * b
        - (t + 1) * t * (t - 2) / 2 * c + (t + 1) * t * (t - 1) / 6 * d
    )  # fmt: skip
    return _rigid(between, joints)


def _rigid(joints: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Give the limbs of joints (F, 17, 3) the median lengths that they have in a source."""
    fixed = joints.copy()
    for limb in LIMBS:
        for a, b in pairwise(limb):
            i, j = JOINT_NAMES.index(a), JOINT_NAMES.index(b)
            bone = joints[:, j] - joints[:, i]
            length = np.median(lengths(source, a, b))
            bone = bone * (length / np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-9))
            fixed[:, j] = fixed[:, i] + bone
    return fixed


def _pieces(good: np.ndarray, shortest: int, longest: int) -> Iterator[tuple[int, int]]:
    """Yield first and end row of each run of a mask (F,), divided evenly where it is too long."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int)))
    for a, b in edges.reshape(-1, 2):
        parts = -(-(b - a) // longest)
        cuts = np.linspace(a, b, parts + 1).astype(int)
        yield from ((int(c), int(d)) for c, d in pairwise(cuts) if d - c >= shortest)
