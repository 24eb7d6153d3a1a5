"""Real-time multi-person 3D human pose: 2D keypoints or images in, metric skeletons out.

    import pstmo_core as pstmo

This is the network P-STMO (ECCV 2022) with its streaming runtime, without ROS. The names below are
the public interface; each is imported when it is first used, so that `import pstmo_core` is cheap
and none of them needs torch.

- Live: `Lifter` turns `KeypointFrame`s (made by `keypoint_frame`) into `SkeletonFrame`s, with the
  settings in `StreamConfig` and, for root positions in the camera's frame, a `Camera`.
- Recorded: `load_clip` reads keypoints as a `Clip`, `lift_clip` lifts all of it.
- Parts: `load_detector` finds keypoints in images, `load_runtime` loads a network.
- The skeleton: `JOINT_NAMES` (17) and `EDGES` (16 pairs of joint indices).
- Every error that a user can cause is a `PstmoError`.

Frames and units: 2D points are pixels (x right, y down); 3D joints are metres in the camera's
optical frame (x right, y down, z forward), relative to the pelvis; stamps are integer nanoseconds.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pstmo_core.camera import Camera
    from pstmo_core.detection.loading import load_detector
    from pstmo_core.errors import PstmoError
    from pstmo_core.keypoints.clip import Clip, load_clip
    from pstmo_core.keypoints.frame import KeypointFrame, keypoint_frame
    from pstmo_core.runtime import load_runtime
    from pstmo_core.skeleton import EDGES, JOINT_NAMES
    from pstmo_core.streaming.config import StreamConfig
    from pstmo_core.streaming.lift_clip import lift_clip
    from pstmo_core.streaming.live import Lifter
    from pstmo_core.streaming.skeleton_frame import SkeletonFrame

# Without this, ONNX Runtime's wheels (1.31) write a device id to ~/.cache/Microsoft and report to
# Microsoft. To allow that, set the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

#: The version of the library and of the ROS package; pyproject.toml reads it from here.
__version__ = "0.1.0"

__all__ = [
    "EDGES",
    "JOINT_NAMES",
    "Camera",
    "Clip",
    "KeypointFrame",
    "Lifter",
    "PstmoError",
    "SkeletonFrame",
    "StreamConfig",
    "keypoint_frame",
    "lift_clip",
    "load_clip",
    "load_detector",
    "load_runtime",
]

#: Where each public name is defined; the imports above say the same to type checkers.
_HOMES = {
    "EDGES": "pstmo_core.skeleton",
    "JOINT_NAMES": "pstmo_core.skeleton",
    "Camera": "pstmo_core.camera",
    "Clip": "pstmo_core.keypoints.clip",
    "KeypointFrame": "pstmo_core.keypoints.frame",
    "Lifter": "pstmo_core.streaming.live",
    "PstmoError": "pstmo_core.errors",
    "SkeletonFrame": "pstmo_core.streaming.skeleton_frame",
    "StreamConfig": "pstmo_core.streaming.config",
    "keypoint_frame": "pstmo_core.keypoints.frame",
    "lift_clip": "pstmo_core.streaming.lift_clip",
    "load_clip": "pstmo_core.keypoints.clip",
    "load_detector": "pstmo_core.detection.loading",
    "load_runtime": "pstmo_core.runtime",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    """List the public names, for completion at a prompt."""
    return sorted({*globals(), *_HOMES})
