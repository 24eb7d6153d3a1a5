"""The lifter node's own parameters, without those of the stream, outputs and markers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.layouts import LAYOUTS
from pstmo_core.runtime.base import BACKENDS, PRECISIONS
from pstmo_core.settings import check_settings, setting
from pstmo_core.streaming.config import StreamConfig
from pstmo_ros.frames.parameters import FrameParameters
from pstmo_ros.inputs.parameters import InputParameters
from pstmo_ros.markers import MarkerStyle
from pstmo_ros.outputs.parameters import OutputParameters
from pstmo_ros.parameters import UNCONFIGURED, autostart, check_layout, check_topic

_NAMESPACE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*")

MOST_CAMERAS = 16
"""Cameras of one lifter: each has publishers, subscriptions and a stream."""


@dataclass(frozen=True)
class LifterParameters:
    """Model, topics and start of the lifter node."""

    model: str = setting(
        "",
        "Path of the ONNX model, or a shipped one: stmo_27 (the default) or stmo_live.",
        change=UNCONFIGURED,
    )
    backend: str = setting(
        "auto",
        "Inference backend; auto takes the first of the others that works on this machine, and "
        "the log says why.",
        choices=("auto", *BACKENDS),
        change=UNCONFIGURED,
    )
    precision: str = setting(
        "fp32",
        "Precision of the network's matrix products; the backend must have it on this machine.",
        choices=PRECISIONS,
        change=UNCONFIGURED,
    )
    threads: int = setting(1, "CPU threads of the inference.", low=1, high=64, change=UNCONFIGURED)
    cameras: str = setting(
        "",
        "Cameras whose people are lifted in one inference, separated by commas (camera1,camera2): "
        "each has its own topics under its name (camera1/keypoints, camera1/camera_info, "
        "camera1/skeletons), its own frame, and ids that begin with its name. Empty: one camera, "
        "whose topics are named as below.",
        change=UNCONFIGURED,
    )
    keypoints_topic: str = setting(
        "keypoints", "Topic of the 2D keypoints (People2D).", change=UNCONFIGURED
    )
    skeletons_topic: str = setting(
        "skeletons", "Topic of the 3D skeletons (Skeletons3D).", change=UNCONFIGURED
    )
    markers_topic: str = setting(
        "skeleton_markers", "Topic of the markers for RViz (MarkerArray).", change=UNCONFIGURED
    )
    layout_topic: str = setting(
        "skeleton_layout",
        "Topic of the latched names and edges of the joints (SkeletonLayout).",
        change=UNCONFIGURED,
    )
    camera_info_topic: str = setting(
        "camera_info",
        "Topic of the camera's calibration (CameraInfo), which gives root positions and removes "
        "lens distortion; nothing else needs it.",
        change=UNCONFIGURED,
    )
    rectified: bool = setting(
        False,
        "Whether the keypoints are those of a rectified image: then the calibration's projection "
        "matrix is used, without distortion.",
        change=UNCONFIGURED,
    )
    qos_reliability: str = setting(
        "best_effort",
        "Reliability of the subscription to the keypoints; reliable receives from reliable "
        "publishers only.",
        choices=("best_effort", "reliable"),
        change=UNCONFIGURED,
    )
    qos_depth: int = setting(
        5,
        "Keypoint messages that wait while one is lifted; older ones are lost.",
        low=1,
        high=1000,
        change=UNCONFIGURED,
    )
    layout: str = setting(
        "",
        "Layout of the 2D keypoints, for sources that name none or a wrong one: one of "
        f"{', '.join(LAYOUTS)}, or the path of a YAML file (docs/formats.md). Empty means what "
        "each message says.",
    )
    frame_id: str = setting(
        "",
        "Frame of skeletons whose keypoints name none, an optical frame (x right, y down, z "
        "forward).",
        change=UNCONFIGURED,
    )
    autostart: bool = autostart()

    def __post_init__(self) -> None:
        check_settings(self)
        for what in ("keypoints", "skeletons", "markers", "layout", "camera_info"):
            check_topic(self, f"{what}_topic")
        check_layout(self.layout)
        names = self.camera_names
        if len(set(names)) < len(names) or not all(_NAMESPACE.fullmatch(name) for name in names):
            raise ConfigError(
                f"cameras is {self.cameras!r}, but must be different names of letters, digits and "
                "_, separated by commas: camera1,camera2"
            )
        if len(names) > MOST_CAMERAS:
            raise ConfigError(
                f"cameras has {len(names)} names, but one lifter serves {MOST_CAMERAS} at most: "
                "start a further one for the others"
            )

    @property
    def layout_name(self) -> str:
        """The name of `layout`, whose file is read for it; empty if there is none.

        Raises:
            ConfigError: if there is no such layout, or its file is wrong.
        """
        return check_layout(self.layout)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The names in `cameras`."""
        return tuple(name.strip() for name in self.cameras.split(",")) if self.cameras else ()


LIFTER = (
    LifterParameters, StreamConfig, InputParameters, FrameParameters, OutputParameters, MarkerStyle,
)  # fmt: skip
"""All parameters of the lifter node."""
