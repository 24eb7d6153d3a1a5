"""Finds a fixed camera's tilt and roll from the people it sees.

The network can be told where up is. Told what is true, it finds people's poses likely and states
small errors (`sigma`); told anything else, it sees them lean and states larger ones. So the
direction with which it is surest of all people is the camera's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np

from pstmo_core.camera import Camera
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.clip import Clip
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.keypoints.sightings import Sightings
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.upright_axes import upright_axes
from pstmo_core.runtime import AnyRuntime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import MOST_AT_ONCE, StreamLifter

#: Degrees that are tried first, without roll.
_TILTS = range(-30, 76, 15)
#: Degrees between those tried around the best.
_STEPS = (10.0, 7.0, 4.0)
#: Nanoseconds: pieces of a recording that are lifted, and what is between their frames.
_PIECE, _APART = 4_000_000_000, 60_000_000
#: Most sightings (one person in one frame) that are lifted for each direction.
_MOST = 1500
#: Share of the circle between pieces that are taken one after the other: spread over all.
_GOLDEN = (math.sqrt(5) - 1) / 2


class TiltError(PstmoError):
    """A recording that says nothing of the camera's tilt, with the reason."""


@dataclass(frozen=True)
class FoundTilt:
    """How a camera stands, by the people before it."""

    tilt: float
    """Degrees by which it looks down, as `StreamConfig.tilt`."""
    roll: float
    """Degrees by which upright things lean to the right in its images."""
    people: int
    """Those whom it rests on."""
    frames: int
    """Frames in which they were looked at."""


def find_tilt(
    clip: Clip | Sightings,
    runtime: AnyRuntime,
    camera: Camera | None = None,
    config: StreamConfig | None = None,
    progress: Callable[[float], object] | None = None,
) -> FoundTilt:
    """Find how a camera that does not move is tilted and rolled.

    Args:
        clip: keypoints of people who stand, walk or sit; the more people, the better.
        runtime: the network, one that states its errors.
        camera: the calibration, which removes lens distortion.
        config: settings of the streaming core; its tilt does not count.
        progress: is called with the share that is done.

    Raises:
        TiltError: if nobody could be lifted, or the network does not state its errors.
    """
    config = replace(config or StreamConfig(), flip=False, tilt=StreamConfig.tilt)
    config = replace(config, mounting_height=StreamConfig.mounting_height)
    pieces = _chosen(clip, camera)
    tries = len(_TILTS) + 6 * len(_STEPS)
    done = 0

    def doubt(tilt: float, roll: float) -> float:
        nonlocal done
        done += 1
        value = _doubt(pieces, runtime, config, tilt, roll)
        if progress is not None:
            progress(done / tries)
        return value

    tilt, roll = float(min(_TILTS, key=lambda tilt: doubt(tilt, 0.0))), 0.0
    for step in _STEPS:
        tilt = _lowest(partial(doubt, roll=roll), tilt, step)
        roll = _lowest(partial(doubt, tilt), roll, step)
    tilt = float(np.clip(tilt, -90, 90))
    frames = [frame for piece in pieces for frame in piece if frame.ids]
    people = {name for frame in frames for name in frame.ids}
    return FoundTilt(tilt, roll, len(people), len(frames))


def _chosen(clip: Clip | Sightings, camera: Camera | None) -> list[list[KeypointFrame]]:
    """Return pieces from all over the recording that have no more than enough sightings."""
    pieces = _pieces(clip.stamps.tolist())
    taken: list[list[KeypointFrame]] = []
    sightings = 0
    for number in sorted(range(len(pieces)), key=lambda number: number * _GOLDEN % 1):
        frames = [clip.frame(index) for index in pieces[number]]
        seen = sum(len(frame.ids) for frame in frames)
        if taken and sightings + seen > _MOST:
            break
        if seen:
            taken.append(frames if camera is None else [camera.ideal(each) for each in frames])
            sightings += seen
    return taken


def _pieces(stamps: list[int]) -> list[list[int]]:
    """Cut a recording into pieces of some seconds and thin their frames out; return indices."""
    pieces: list[list[int]] = []
    for index, stamp in enumerate(stamps):
        since = stamp - stamps[pieces[-1][-1]] if pieces else -1
        if 0 <= since < _APART:
            continue
        if since < 0 or stamp - stamps[pieces[-1][0]] > _PIECE:
            pieces.append([])
        pieces[-1].append(index)
    return pieces


def _doubt(
    pieces: list[list[KeypointFrame]],
    runtime: AnyRuntime,
    config: StreamConfig,
    tilt: float,
    roll: float,
) -> float:
    """Return the mean logarithm of sigma where the camera is said to stand like this."""
    pose = CameraPose.from_up(_up(tilt, roll)).turned(upright_axes(config.rotation).T)
    stated = []
    for piece in pieces:
        lifter, answers = StreamLifter(runtime, config), []
        frames = iter(replace(frame, pose=pose) for frame in piece)
        while part := list(islice(frames, MOST_AT_ONCE)):
            answers += lifter.push_all(part)
        answers += lifter.flush()
        stated += [answer.sigma for answer in answers if answer.ids]
    sigma = [each[:, 1:] for each in stated if each is not None]
    if not stated:
        raise TiltError("nobody was seen well enough to be lifted: a tilt is found from people")
    if not sigma:
        raise TiltError("the network does not state its errors (sigma): use a shipped one")
    return float(np.log(np.concatenate(sigma)).mean())


def _up(tilt: float, roll: float) -> np.ndarray:
    """Return the direction (3,) against gravity in the optical frame."""
    down, aside = math.radians(tilt), math.radians(roll)
    return np.array([math.sin(aside) * math.cos(down), -math.cos(aside) * math.cos(down),
                     -math.sin(down)])  # fmt: skip


def _lowest(doubt: Callable[[float], float], middle: float, step: float) -> float:
    """Return where a parabola through the values at an angle and beside it is lowest."""
    before, here, after = (doubt(middle + way * step) for way in (-1, 0, 1))
    bend = before - 2 * here + after
    if bend > 0:
        return middle + step * float(np.clip((before - after) / (2 * bend), -1.5, 1.5))
    return middle + step * (1 if after < before else -1)
