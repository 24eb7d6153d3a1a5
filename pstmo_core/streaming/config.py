"""The settings of the streaming core; parameters and command-line options are made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.frame import MIN_SCORE
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.root_fusion import SHORTEST, TALLEST
from pstmo_core.room.upright_axes import ROTATIONS, upright_axes
from pstmo_core.settings import check_settings, setting

#: The tilt of a camera of which it is not known.
TILT_UNKNOWN = 100.0
#: The `joint_cutoff` that leaves the choice to the network, and what the two kinds choose, in Hz.
BY_NETWORK, WINDOW_CUTOFF, LIVE_CUTOFF = -1.0, 2.0, 5.0


@dataclass(frozen=True)
class StreamConfig:
    """How a stream of keypoints becomes windows. A change restarts the stream.

    Raises:
        ConfigError: if a value is not allowed.
    """

    look_ahead: int = setting(
        0,
        "Frames of the window (of 40 ms with the shipped network) that lie after the target frame: "
        "0 shows people now, half of the window is the paper's centre frame.",
        low=0,
        high=175,
        unit="frames",
    )
    flip: bool = setting(
        True,
        "Lift everybody a second time as in a mirror and take the mean (flip averaging): more "
        "exact and calmer, for twice the network's work.",
    )
    tolerance: float = setting(
        0.02,
        "Largest difference between a frame's stamp and a moment of the window at which its "
        "keypoints are used as they are; beyond it they are interpolated.",
        low=0.0,
        high=0.5,
        unit="s",
    )
    max_gap: float = setting(
        0.4,
        "Longest gap between two sightings of a joint that is interpolated.",
        low=0.0,
        high=10.0,
        unit="s",
    )
    reorder: float = setting(
        0.1,
        "How late a frame may come and still be sorted in; later ones are ignored.",
        low=0.0,
        high=5.0,
        unit="s",
    )
    reset: float = setting(
        0.5,
        "A stamp older than the newest by more than this means that time jumped back (a looped "
        "bag): everybody is forgotten. Between reorder and this, the frame is ignored.",
        low=0.0,
        high=60.0,
        unit="s",
    )
    expire: float = setting(
        1.0, "A person not seen for this long has left.", low=0.05, high=60.0, unit="s"
    )
    remember: float = setting(
        10.0,
        "How long people who have left can be recognised on their return, by root position and "
        "build; they then get their id and learned height back. Only in the node, and where ids do "
        "not come from the source. 0: nobody is recognised.",
        low=0.0,
        high=600.0,
        unit="s",
    )
    min_score: float = setting(
        MIN_SCORE, "Keypoints with a lower score count as not seen.", low=0.0, high=1.0
    )
    min_joints: int = setting(
        6, "A person with fewer joints in the frame is not lifted in it.", low=1, high=17
    )
    max_people: int = setting(
        16, "People followed at once; further ones are dropped and counted.", low=1, high=256
    )
    max_rate: float = setting(
        120.0,
        "Highest frame rate for which the buffer holds a whole window.",
        low=1.0,
        high=1000.0,
        unit="Hz",
    )
    focal: float = setting(
        0.0,
        "Focal length of a camera without calibration (CameraInfo), for root positions. 0 "
        "assumes a common one for the poses and gives no root positions.",
        low=0.0,
        high=100000.0,
        unit="pixels",
    )
    height: float = setting(
        0.0,
        "Height of the people: skeletons are scaled to it, which also corrects the distance of "
        "their root positions. 0 keeps the network's estimate, an average adult's.",
        low=SHORTEST,
        high=TALLEST,
        special=0.0,
        unit="m",
    )
    floor_height: float = setting(
        0.0,
        "Height of the floor that people stand on, such as a step or a platform, over the plane z "
        "= 0 of the frame in which the camera's pose is known.",
        low=-10.0,
        high=10.0,
        unit="m",
    )
    hold_feet: bool = setting(
        False,
        "Whether feet on a known floor stay where they stand instead of sliding and sinking. Legs "
        "bend for it, and the body follows by up to 15 cm; bones stay as long.",
    )
    joint_depths: bool = setting(
        False,
        "Whether shoulders, head and the joints of arms and legs are moved along their rays to "
        "where a depth image shows them; `sigma` shrinks with it. Bones then vary in length.",
    )
    tilt_error: float = setting(
        0.5,
        "Standard deviation of the error in the tilt of the camera. It enters the covariance of "
        "root positions that are estimated from the floor.",
        low=0.0,
        high=10.0,
        unit="degrees",
    )
    tilt: float = setting(
        TILT_UNKNOWN,
        "How far the camera looks down; below 0 it looks up. The direction of gravity improves "
        "poses, above all from high cameras; a frame that comes with it (TF, IMU) needs no tilt. "
        f"{TILT_UNKNOWN:g}: not known.",
        low=-90.0,
        high=90.0,
        special=TILT_UNKNOWN,
        unit="degrees",
    )
    mounting_height: float = setting(
        0.0,
        "Height over the floor of a fixed camera whose `tilt` is stated: root positions and sizes "
        "are estimated from the feet, without TF. 0: not known.",
        low=0.0,
        high=100.0,
        unit="m",
    )
    rotation: int = setting(
        0,
        "Clockwise rotation in degrees that makes images upright, for a camera that is mounted "
        "rotated. Results are in the frame of the camera as it is.",
        choices=ROTATIONS,
    )
    unswap: float = setting(
        1.0,
        "Longest swap of left and right arms or legs by the detector that is corrected; 0 "
        "corrects none.",
        low=0.0,
        high=60.0,
        unit="s",
    )
    outlier: float = setting(
        0.25,
        "A keypoint farther than this from its expected position, beyond what the fastest motion "
        "explains, is dropped from its frame; 0 trusts all.",
        low=0.0,
        high=10.0,
        unit="body sizes",
    )
    keypoint_cutoff: float = setting(
        3.0,
        "Cut-off frequency of the One-Euro filter for keypoints at rest: lower is smoother, with "
        "more delay; 0 turns the filter off.",
        low=0.0,
        high=100.0,
        unit="Hz",
    )
    keypoint_beta: float = setting(
        0.5,
        "How much the cut-off frequency for keypoints grows with speed, per body size per second.",
        low=0.0,
        high=100.0,
        unit="Hz",
    )
    ray_error: float = setting(
        0.02,
        "How far keypoints are taken to be from the joints that they stand for. Lifted joints move "
        "towards the rays of their keypoints: the more, the larger `sigma` is against this. 0 "
        "leaves them as they are lifted, as does a network without `sigma`.",
        low=0.0,
        high=1.0,
        unit="m",
    )
    bone_memory: float = setting(
        4.0,
        "Over how long the lengths of a person's bones are averaged. Bones are turned in depth "
        "until they are nearly that long; 0 leaves them as they are lifted.",
        low=0.0,
        high=600.0,
        unit="s",
    )
    joint_cutoff: float = setting(
        BY_NETWORK,
        "Cut-off frequency of the same filter for 3D joints relative to the pelvis; 0 turns it "
        f"off. {BY_NETWORK:g} chooses by the network: {WINDOW_CUTOFF:g} for a window network and "
        f"{LIVE_CUTOFF:g} for a streaming one, which is calmer by itself.",
        low=0.0,
        high=100.0,
        special=BY_NETWORK,
        unit="Hz",
    )
    joint_beta: float = setting(
        0.4,
        "How much the cut-off frequency for 3D joints grows with speed, per 0.5 m/s.",
        low=0.0,
        high=100.0,
        unit="Hz",
    )
    carry: float = setting(
        0.2,
        "How long a joint that is no longer seen is assumed to keep moving; after that the "
        "network estimates it from the others.",
        low=0.0,
        high=10.0,
        unit="s",
    )
    bridge: float = setting(
        0.25,
        "How long a person whom the detector misses is still reported, with confidence 0; no "
        "longer than the person was seen.",
        low=0.0,
        high=10.0,
        unit="s",
    )

    def joint_cutoff_of(self, network: ModelConfig | LiveConfig) -> float:
        """Return the cut-off frequency in Hz of the filter for the joints of a network."""
        if self.joint_cutoff != BY_NETWORK:
            return self.joint_cutoff
        return LIVE_CUTOFF if isinstance(network, LiveConfig) else WINDOW_CUTOFF

    @property
    def level(self) -> CameraPose | None:
        """How the camera stands as far as `tilt` and `mounting_height` tell."""
        if self.tilt == TILT_UNKNOWN:
            return None
        if self.mounting_height:
            return CameraPose.of_tilt(self.mounting_height, self.tilt)
        angle = math.radians(self.tilt)
        return CameraPose.from_up(np.array([0.0, -math.cos(angle), -math.sin(angle)]))

    @property
    def upright(self) -> CameraPose:
        """How the camera as it is mounted stands by `rotation` and `tilt`; level if not known."""
        level = self.level or CameraPose.of_tilt(0.0, 0.0)
        return level.turned(upright_axes(self.rotation).T)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.mounting_height and self.tilt == TILT_UNKNOWN:
            raise ConfigError(
                f"mounting_height is {self.mounting_height} m, but says where the floor is only "
                "together with tilt: state how far the camera looks down (0: straight ahead)"
            )
        if self.reset < self.reorder:
            raise ConfigError(
                f"reset is {self.reset} s, but must not be below reorder ({self.reorder} s)"
            )


#: Settings with which keypoints are lifted as they come and skeletons given as they are lifted.
PLAIN: dict[str, Any] = {
    "unswap": 0.0, "outlier": 0.0, "keypoint_cutoff": 0.0, "joint_cutoff": 0.0, "carry": 0.0,
    "bridge": 0.0, "ray_error": 0.0, "bone_memory": 0.0,
}  # fmt: skip
