"""Parameters of the lifter's outputs for other software; all are off by default."""

from __future__ import annotations

from dataclasses import dataclass

from pstmo_core.settings import check_settings, setting
from pstmo_ros.parameters import UNCONFIGURED

TF_CHOICES = ("off", "bodies", "links")


def _switch(description: str) -> bool:
    value: bool = setting(False, description, change=UNCONFIGURED)
    return value


@dataclass(frozen=True)
class OutputParameters:
    """Outputs for other software. Topics are relative unless they begin with /.

    Raises:
        ConfigError: if a value is not allowed.
    """

    publish_tf: str = setting(
        "off",
        "Frames of people on /tf as in REP-155: bodies publishes body_ID at the pelvis, links "
        "all frames of the human model.",
        choices=TF_CHOICES,
        change=UNCONFIGURED,
    )
    publish_poses: bool = _switch(
        "poses (geometry_msgs/PoseArray): everybody's pelvis, x forward, z to the head."
    )
    poses_of: str = setting(
        "bodies",
        "Contents of poses: bodies (one pose per person), or joints (all known joints, person "
        "by person, each oriented like the limb that begins there).",
        choices=("bodies", "joints"),
        change=UNCONFIGURED,
    )
    publish_joints: bool = _switch(
        "joints (sensor_msgs/PointCloud2): every joint's position, velocity (vx, vy, vz), "
        "confidence and sigma, with the numbers of person and joint."
    )
    publish_joint_states: bool = _switch(
        "body_joint_states (sensor_msgs/JointState, one message per person): joint angles of "
        "REP-155's human model and their velocities."
    )
    publish_points: bool = _switch(
        "points (sensor_msgs/PointCloud2): points along the limbs, for obstacle layers and Nav2's "
        "collision monitor."
    )
    points_spacing: float = setting(
        0.1,
        "Distance between points along a limb.",
        low=0.01,
        high=1.0,
        unit="m",
        change=UNCONFIGURED,
    )
    points_radius: float = setting(
        0.06,
        "Distance of the points from the bone, on four sides; 0: they lie on it.",
        low=0.0,
        high=0.5,
        unit="m",
        change=UNCONFIGURED,
    )
    publish_people: bool = _switch(
        "people (people_msgs/People): root positions and velocities, for Nav2's social layers."
    )
    publish_detections: bool = _switch(
        "detections (vision_msgs/Detection3DArray): a box around each person."
    )
    publish_capsules: bool = _switch(
        "capsules (visualization_msgs/MarkerArray): the space that people occupy, for RViz."
    )
    publish_uncertainty: bool = _switch(
        "uncertainty (visualization_msgs/MarkerArray): where nine of ten joints and root "
        "positions lie, for RViz."
    )
    publish_hri: bool = _switch(
        "/humans/bodies (hri_msgs, REP-155), for libhri and hri_rviz; needs publish_tf."
    )

    def __post_init__(self) -> None:
        check_settings(self)
