"""Runs the imports and first inferences in advance that would delay a stream's first frames."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np

from pstmo_core.camera import Camera, CameraError
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.keypoints.tracking import Tracker
from pstmo_core.runtime import AnyRuntime
from pstmo_core.skeleton import JOINTS
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter

_FRAMES = 3
_SIZE = (640, 480)


def warm_up(runtime: AnyRuntime, config: StreamConfig) -> None:
    """Lift a few frames of made-up people, with a lens that must be undone; nothing is kept."""
    Tracker()  # imports SciPy
    camera = Camera(*_SIZE, (600.0, 600.0), (320.0, 240.0), (0.1, 0.0, 0.0, 0.0))
    lifter = StreamLifter(runtime, replace(config, look_ahead=0))
    points = np.random.default_rng(0).uniform(100, 400, (2, JOINTS, 2)).astype(np.float32)
    scores = np.ones((2, JOINTS), np.float32)
    for index in range(_FRAMES):
        people = index % 2 + 1  # an inference of one person, and one of two
        ids = ("a", "b")[:people]
        frame = KeypointFrame(index * 40_000_000, ids, points[:people], scores[:people], *_SIZE)
        with contextlib.suppress(CameraError):  # without OpenCV no lens is undone later either
            frame = camera.ideal(frame)
        lifter.push(frame)
