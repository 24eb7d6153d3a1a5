"""Joint angles as JointState, one message per person, named as in REP-155's human model."""

from __future__ import annotations

import numpy as np
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState

from pstmo_core.robot.joint_angles import ANGLES, joint_angles
from pstmo_core.robot.velocity import Velocities
from pstmo_ros.conversions import stamp_ns
from pstmo_ros.outputs.bodies import Bodies
from pstmo_ros.outputs.output import Publish, SimpleOutput


class JointStateOutput(SimpleOutput):
    """Publishes `body_joint_states`: angles in radians and their velocities, ANGLE_ID each.

    Args:
        publish: makes publishers.
    """

    def __init__(self, publish: Publish) -> None:
        self._states = publish(JointState, "body_joint_states", QoSProfile(depth=100))
        self._velocities = Velocities()
        self._turns: dict[str, np.ndarray] = {}

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish everybody's angles; what is not known is left out."""
        angles = joint_angles(bodies.joints, bodies.links)
        self._turns = {name: self._turns[name] for name in present if name in self._turns}
        steady = np.array(
            [self._unwrapped(name, each) for name, each in zip(bodies.ids, angles, strict=True)]
        ).reshape(-1, len(ANGLES))
        speeds = self._velocities.update(bodies.ids, stamp_ns(bodies.header.stamp), steady)
        for name, each, speed in zip(bodies.ids, angles, speeds, strict=True):
            known = np.isfinite(each)
            if not known.any():
                continue
            state = JointState(
                header=bodies.header,
                name=[f"{ANGLES[index]}_{name}" for index in np.flatnonzero(known).tolist()],
                position=each[known].tolist(),
            )
            if np.isfinite(speed[known]).all():
                state.velocity = speed[known].tolist()
            self._states.publish(state)

    def _unwrapped(self, name: str, angles: np.ndarray) -> np.ndarray:
        """Return a person's angles without the jumps from pi to -pi."""
        before = self._turns.get(name, angles)
        moved = angles - before
        steady: np.ndarray = before + np.arctan2(np.sin(moved), np.cos(moved))
        if np.isfinite(steady).all():
            self._turns[name] = steady
        return steady
