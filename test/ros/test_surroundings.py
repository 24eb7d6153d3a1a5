"""What a robot may tell wrongly or not at all: each is one clear sentence, and people go on."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("tf2_ros", reason="needs tf2")

from diagnostic_msgs.msg import DiagnosticArray
from lifter_knows import imu_of, knows_depth
from node_world import worlds
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, Imu
from std_msgs.msg import Header
from walkers_room import BASE, FPS, VIEW, Room

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.streaming.config import StreamConfig
from pstmo_ros.conversions import stamp_ns, time_message
from pstmo_ros.frames import depth_images, imu_gravity
from pstmo_ros.frames.static_frame import publish_static_frame
from pstmo_ros.msg import Skeleton3D, Skeletons3D
from pstmo_ros.surroundings import Surroundings

room = worlds(Room)
#: A camera's optical axes in those of its body (x forward, y left, z up).
BODY = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def sources(answers: list[Skeletons3D]) -> set[int]:
    return {person.root_source for answer in answers for person in answer.people}


@pytest.mark.parametrize(
    ("pose", "sentence"),
    [
        (VIEW.pose.turned(BODY), "by map, camera_link looks straight up"),
        (CameraPose(np.eye(3)[[2, 0, 1]] * [1, -1, -1], np.zeros(3)), "is 0.00 m over the floor"),
    ],
)
def test_a_pose_that_cannot_be_right_is_told_and_not_used(
    room: Callable[..., Room], pose: CameraPose, sentence: str
) -> None:
    here = room(target_frame="", tf_timeout=1.0)
    here.lifter.drops._period = 10**12  # said once, however long the walk takes
    said, told = here.listen_to_logs(), here.listen(DiagnosticArray, "/diagnostics")
    publish_static_frame(here, "map", "camera_link", pose)
    here.start()
    here.walk(30, "camera_link")
    assert sources(here.heard["skeletons"]) == {Skeleton3D.ROOT_ASSUMED}
    here.spin_until(lambda: any(sentence in line for line in said))
    assert sum(sentence in line for line in said) == 1
    here.spin_until(lambda: any(sentence in s.message for m in told for s in m.status))


def test_a_doubt_ends_with_the_pose_that_it_was_of() -> None:
    surroundings = Surroundings()
    poses = [VIEW.pose.turned(BODY), None]
    surroundings._transforms = SimpleNamespace(camera_pose=lambda *_: poses.pop(0))
    nobody = KeypointFrame(0, (), np.zeros((0, 17, 2)), np.zeros((0, 17)), 640, 480)
    surroundings.complete(nobody, "camera", (), StreamConfig())
    assert "looks straight up" in surroundings.doubt
    surroundings.complete(nobody, "camera", (), StreamConfig())
    assert not surroundings.doubt


def test_gravity_that_says_that_the_camera_hangs_upside_down_is_reported(
    room: Callable[..., Room],
) -> None:
    here = room(floor_frame="", target_frame="", imu_topic="imu")
    said = here.listen_to_logs()
    imu = here.create_publisher(Imu, "imu", qos_profile_sensor_data)
    here.start()
    here.spin_until(lambda: imu.get_subscription_count() == 1)
    felt = Imu(header=Header(stamp=time_message(BASE), frame_id="camera"))
    acceleration = felt.linear_acceleration
    acceleration.x, acceleration.y, acceleration.z = (-9.81 * VIEW.pose.up).tolist()
    imu.publish(felt)
    here.spin_until(lambda: imu_of(here.lifter)._filter.up(BASE) is not None)
    here.walk(3)
    here.spin_until(lambda: any("rotated by 180 degrees" in line for line in said))
    assert any("by imu, images of camera" in line for line in said)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "imu has been silent for"),
        ({"covariance": -1.0}, "imu measures no acceleration"),
        ({"up": 0.0}, "imu measures no acceleration"),
        ({"stamp": BASE - 3600 * 10**9}, "3600.0 s from the keypoints"),
        ({"frame_id": ""}, "messages of imu have no frame_id"),
        ({"frame_id": "imu_link"}, "TF has no 'imu_link' in 'camera'"),
    ],
)
def test_an_imu_that_cannot_be_used_is_told_of(
    room: Callable[..., Room],
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any] | None,
    sentence: str,
) -> None:
    monkeypatch.setattr(imu_gravity, "_SILENCE", 0.5 if given is None else 60.0)
    here = room(floor_frame="", target_frame="", imu_topic="imu")
    said = here.listen_to_logs()
    imu = here.create_publisher(Imu, "imu", qos_profile_sensor_data)
    here.start()
    here.spin_until(lambda: imu.get_subscription_count() == 1)
    if given is None:
        here.spin_for(0.5)
    else:
        stamp = time_message(given.get("stamp", BASE))
        felt = Imu(header=Header(stamp=stamp, frame_id=given.get("frame_id", "camera")))
        felt.linear_acceleration_covariance[0] = given.get("covariance", 0.0)
        felt.linear_acceleration.y = given.get("up", -9.81)
        before = imu_of(here.lifter)._heard
        imu.publish(felt)
        here.spin_until(lambda: imu_of(here.lifter)._heard != before)
    here.walk(3)
    here.spin_until(lambda: any(sentence in line for line in said))
    assert sources(here.heard["skeletons"]) == {Skeleton3D.ROOT_ASSUMED}


def test_a_velocity_is_of_one_frame_only(room: Callable[..., Room]) -> None:
    """Where TF knows nothing of a camera, results come in its own frame: no leap of metres."""
    here = room(tf_timeout=0.02, floor_frame="", expire=5.0)
    here.start()
    here.walk(20)
    here.walk(2, "elsewhere", 20)
    here.walk(10, first=22)
    answers = here.heard["skeletons"]
    assert {answer.header.frame_id for answer in answers} == {"map", "elsewhere"}
    speeds = [
        np.linalg.norm([p.velocity.x, p.velocity.y, p.velocity.z])
        for answer in answers
        for p in answer.people
    ]
    assert np.isfinite(speeds).sum() > 10
    assert np.nanmax(speeds) < 2.5


# Depth images


def image(row: int, height: int = 360, frame_id: str = "camera") -> Image:
    """Return a depth image of a wall three metres away."""
    pixels = np.full((height, 640), 3000, np.uint16)
    return Image(
        header=Header(stamp=time_message(BASE + round(row / FPS * 1e9)), frame_id=frame_id),
        height=height, width=640, encoding="16UC1", step=1280, data=array("B", pixels.tobytes()),
    )  # fmt: skip


def test_depth_images_are_heard_while_somebody_is_there(
    room: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth_images, "_IDLE", 600.0)
    here = room(depth_topic="depth")
    depth = here.create_publisher(Image, "depth", qos_profile_sensor_data)
    here.start()
    here.spin_for(0.5)
    assert depth.get_subscription_count() == 0
    here.walk(2)
    here.spin_until(lambda: depth.get_subscription_count() == 1)
    monkeypatch.setattr(depth_images, "_IDLE", 0.5)
    here.spin_until(lambda: depth.get_subscription_count() == 0)


def test_a_depth_camera_that_tells_nothing_is_told_of(
    room: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth_images, "_SILENCE", 0.2)
    here = room(depth_topic="depth")
    said = here.listen_to_logs()
    here.start()
    here.walk(5)
    here.spin_for(0.3)
    here.walk(5, first=5)
    here.spin_until(lambda: any("no depth image on /depth" in line for line in said))
    assert any("nobody publishes there" in line for line in said)
    assert sources(here.heard["skeletons"][-1:]) == {Skeleton3D.ROOT_FLOOR}


@pytest.mark.parametrize(
    ("given", "sentence", "used"),
    [
        ({"height": 480}, "640 x 480 pixels does not show what the colour image of 1280 x", False),
        ({"frame_id": "depth"}, "is of 'depth', keypoints are of 'camera'", True),
    ],
)
def test_a_depth_image_that_is_not_registered_is_told_of(
    room: Callable[..., Room], given: dict[str, object], sentence: str, used: bool
) -> None:
    here = room(depth_topic="depth", floor_frame="", expire=5.0)
    said = here.listen_to_logs()
    depth = here.create_publisher(Image, "depth", 10)
    here.start()
    here.walk(1)
    here.spin_until(lambda: depth.get_subscription_count() == 1)
    for row in range(1, 5):
        depth.publish(shown := image(row, **given))
        stamp = stamp_ns(shown.header.stamp)
        here.spin_until(lambda stamp=stamp: knows_depth(here.lifter, stamp))
        here.walk(1, first=row)
    here.spin_until(lambda: any(sentence in line for line in said))
    last = sources(here.heard["skeletons"][-1:])
    assert last == {Skeleton3D.ROOT_DEPTH if used else Skeleton3D.ROOT_ASSUMED}
