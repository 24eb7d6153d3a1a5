"""The lifter node's own parameters; those of the stream and of the markers lie beside these."""

from __future__ import annotations

from dataclasses import dataclass

from pstmo_core.layouts import LAYOUTS
from pstmo_ros.parameters import NEVER, UNCONFIGURED, check_choices, check_topic, parameter


@dataclass(frozen=True)
class LifterParameters:
    """Model, topics and start of the lifter node."""

    model: str = parameter(
        "", "Path of the ONNX model; empty means the shipped one.", change=UNCONFIGURED
    )
    threads: int = parameter(
        1, "Threads of the inference.", low=1, high=64, change=UNCONFIGURED
    )  # fmt: skip
    keypoints_topic: str = parameter(
        "keypoints", "Topic of the 2D keypoints (People2D).", change=UNCONFIGURED
    )
    skeletons_topic: str = parameter(
        "skeletons", "Topic of the 3D skeletons (Skeletons3D).", change=UNCONFIGURED
    )
    markers_topic: str = parameter(
        "skeleton_markers", "Topic of the markers for RViz (MarkerArray).", change=UNCONFIGURED
    )
    layout_topic: str = parameter(
        "skeleton_layout",
        "Topic of the latched names and edges of the joints (SkeletonLayout).",
        change=UNCONFIGURED,
    )
    qos_reliability: str = parameter(
        "best_effort",
        "Reliability of the subscription to the keypoints; reliable hears only reliable ones.",
        choices=("best_effort", "reliable"),
        change=UNCONFIGURED,
    )
    qos_depth: int = parameter(
        5,
        "Keypoint messages that wait while one is lifted; older ones are lost.",
        low=1,
        high=1000,
        change=UNCONFIGURED,
    )
    layout: str = parameter(
        "",
        "Layout of the 2D keypoints, for sources that name none or a wrong one; empty means what "
        "each message says.",
        choices=("", *LAYOUTS),
    )
    autostart: bool = parameter(
        False,
        "Whether the node configures and activates itself, for use without a launch file.",
        change=NEVER,
    )

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("keypoints_topic", "skeletons_topic", "markers_topic", "layout_topic"):
            check_topic(self, name)
