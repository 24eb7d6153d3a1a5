"""The virtual camera's messages agree: image, calibration, truth and where it is in the image."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from node_world import World, overrides, worlds
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from pstmo_core.errors import ConfigError
from pstmo_core.room.quaternions import matrix_from_quaternion
from pstmo_core.skeleton import JOINT_NAMES, JOINTS
from pstmo_ros.conversions import joints_of, stamp_ns
from pstmo_ros.images import ImageDecoder
from pstmo_ros.msg import People2D, Skeletons3D
from pstmo_ros.virtual_camera import VirtualCamera

TOPICS = {
    "image_raw": (Image, 10),
    "camera_info": (CameraInfo, qos_profile_sensor_data),
    "truth": (Skeletons3D, 10),
    "truth_keypoints": (People2D, 10),
}
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
HEAD = JOINT_NAMES.index("head")


class Audience(World):
    """The camera, and who keeps all that it says, by topic and stamp."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__("audience")
        self.kept: dict[str, dict[int, Any]] = {topic: {} for topic in TOPICS}
        for topic, (kind, qos) in TOPICS.items():
            self.create_subscription(kind, topic, self._keep(topic), qos)
        self.camera = self.take_in(VirtualCamera(parameter_overrides=overrides(parameters)))

    def _keep(self, topic: str) -> Callable[[Any], None]:
        return lambda message: self.kept[topic].update({stamp_ns(message.header.stamp): message})

    def complete(self) -> list[int]:
        """Return the stamps of which everything was heard."""
        return sorted(set.intersection(*(set(by_stamp) for by_stamp in self.kept.values())))


audience = worlds(Audience)


def test_truth_projected_by_the_calibration_is_where_the_keypoints_are(
    audience: Callable[..., Audience],
) -> None:
    here = audience(people=3, width=320, height=240, focal=280.0)
    here.spin_until(lambda: len(here.complete()) >= 5)
    for stamp in here.complete():
        info = here.kept["camera_info"][stamp]
        truth, keypoints = here.kept["truth"][stamp], here.kept["truth_keypoints"][stamp]
        assert {info.header.frame_id, truth.header.frame_id} == {keypoints.header.frame_id}
        assert (info.width, info.height) == (320, 240) == (keypoints.width, keypoints.height)
        assert (
            [p.id for p in truth.people] == [p.id for p in keypoints.people] == ["t1", "t2", "t3"]
        )
        for body, person in zip(truth.people, keypoints.people, strict=True):
            in_camera = joints_of(body) + (body.root.x, body.root.y, body.root.z)
            seen = in_camera @ np.reshape(info.k, (3, 3)).T
            points = np.reshape(person.points, (JOINTS, 2))
            np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], points, atol=0.01)
            inside = ((points >= 0) & (points < (320, 240))).all(-1)
            np.testing.assert_array_equal(np.asarray(person.scores) > 0, inside)


def test_people_are_seen_in_the_image_where_truth_has_them(
    audience: Callable[..., Audience],
) -> None:
    here = audience(people=2, width=320, height=240, focal=280.0, noise=0.0)
    here.spin_until(lambda: len(here.complete()) >= 3)
    stamp = here.complete()[0]
    image = here.kept["image_raw"][stamp]
    assert (image.width, image.height, image.encoding, image.step) == (320, 240, "bgr8", 960)
    decoded = ImageDecoder().decode(image).astype(int)
    empty = here.camera._renderer.render(np.empty((0, JOINTS, 3))).astype(int)
    change = np.abs(decoded - empty).sum(-1)
    for person in here.kept["truth_keypoints"][stamp].people:
        seen = np.asarray(person.scores) > 0
        column, row = np.reshape(person.points, (JOINTS, 2))[seen].astype(int).T
        assert (change[row, column] > 10).mean() > 0.8


def test_images_come_at_the_rate_that_was_asked_for(audience: Callable[..., Audience]) -> None:
    here = audience(people=1, width=64, height=48, focal=56.0, fps=20.0)
    here.spin_until(lambda: len(here.kept["camera_info"]) >= 30)
    intervals = np.diff(sorted(here.kept["camera_info"])) / 1e9
    assert np.median(intervals) == pytest.approx(1 / 20, rel=0.2)
    poses = [joints_of(m.people[0]) for _, m in sorted(here.kept["truth"].items())]
    assert max(np.abs(a - b).max() for a, b in itertools.pairwise(poses)) > 1e-3


def test_tf_learns_where_the_camera_is_in_a_room_whose_floor_is_level(
    audience: Callable[..., Audience],
) -> None:
    pytest.importorskip("tf2_msgs", reason="needs tf2_msgs")
    from tf2_msgs.msg import TFMessage

    here = audience(people=2, width=64, height=48, focal=56.0, world_frame="hall")
    told = here.listen(TFMessage, "/tf_static", LATCHED)
    here.spin_until(lambda: told and len(here.complete()) >= 5)
    ((frame,),) = [message.transforms for message in told]
    truth = here.kept["truth"][here.complete()[-1]]
    assert (frame.header.frame_id, frame.child_frame_id) == ("hall", truth.header.frame_id)
    q, at = frame.transform.rotation, frame.transform.translation
    turn = matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w]))
    for body in truth.people:
        in_camera = joints_of(body) + (body.root.x, body.root.y, body.root.z)
        in_hall = in_camera @ turn.T + (at.x, at.y, at.z)
        assert 0.0 < in_hall[:, 2].min() < 0.2  # an ankle stands on the floor
        assert in_hall[HEAD, 2] > 1.2


@pytest.mark.parametrize(("name", "value"), [("people", 9), ("fps", 0.0), ("camera_distance", 7.0)])
def test_a_wrong_parameter_is_refused(ros: None, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        VirtualCamera(parameter_overrides=[Parameter(name, value=value)])
