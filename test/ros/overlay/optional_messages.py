"""The messages of people_msgs, vision_msgs, yolo_msgs and zed_msgs over DDS.

Run by test_optional_messages.py, which builds the packages where they are not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("tf2_ros", reason="needs tf2")

from lifter_knows import knows_calibration
from node_world import worlds
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from walkers_room import BASE, FPS, ID, VIEW, Room

from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.lift.calibration import pinhole
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.skeleton import JOINT_NAMES
from pstmo_ros.conversions import camera_info_message, time_message

room = worlds(Room)
BODY18 = get_layout("openpose18").joint_names
COCO = get_layout("coco17").joint_names


def messages(package: str) -> Any:
    return pytest.importorskip(f"{package}.msg", reason=f"{package} is not installed")


def pixels(row: int) -> dict[str, tuple[float, float]]:
    """Return where the named points of somebody who walks are in the image."""
    points = VIEW.project(VIEW.to_camera(MovingPeople.shipped(1).joints(row / FPS)[0]))
    found = dict(zip(JOINT_NAMES, points, strict=True))
    found["nose"] = found["head"]
    found["neck"] = (found["lshoulder"] + found["rshoulder"]) / 2
    return {name: (float(x), float(y)) for name, (x, y) in found.items()}


def yolo(row: int) -> Any:
    m, header = messages("yolo_msgs"), _header(row, "camera")
    person = m.Detection(class_name="person", id=ID, score=0.9)
    for number, name in enumerate(COCO):
        if name in pixels(row):
            x, y = pixels(row)[name]
            at = m.KeyPoint2D(id=number + 1, point=m.Point2D(x=x, y=y), score=0.9)
            person.keypoints.data = [*person.keypoints.data, at]
    return m.DetectionArray(header=header, detections=[person])


def zed(row: int) -> Any:
    m, header = messages("zed_msgs"), _header(row, "zed_left_camera_frame")
    body = m.Object(label_id=3, skeleton_available=True, body_format=0)
    points = body.skeleton_2d.keypoints
    for number, name in enumerate(BODY18):
        points[number].kp = [-1.0, -1.0]
        if name in pixels(row):
            points[number].kp = list(pixels(row)[name])
    if hasattr(body, "skeleton_keypoint_confidence"):
        body.skeleton_keypoint_confidence = [90.0] * len(body.skeleton_keypoint_confidence)
    return m.ObjectsStamped(header=header, objects=[body])


def vision(row: int) -> Any:
    m, header = messages("vision_msgs"), _header(row, "camera")
    person = m.Detection2D(id=ID)
    for name, (x, y) in pixels(row).items():
        result = m.ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = name, 0.9
        result.pose.pose.position.x, result.pose.pose.position.y = x, y
        person.results = [*person.results, result]
    return m.Detection2DArray(header=header, detections=[person])


@pytest.mark.parametrize("made", [yolo, zed, vision])
def test_keypoints_of_the_real_messages_are_lifted(
    room: Callable[..., Room], made: Callable[[int], Any]
) -> None:
    kind = type(made(0))
    frame = "zed_left_camera_frame_optical" if made is zed else "camera"
    here = room(
        input=made.__name__, keypoints_topic="found", floor_frame="", target_frame="", expire=5.0
    )
    found = here.create_publisher(kind, "found", 100)
    info = here.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)
    assert here.lifter.start()
    here.spin_until(lambda: found.get_subscription_count() == 1)
    here.spin_until(lambda: info.get_subscription_count() == 1)
    calibration = camera_info_message(pinhole(1000.0, 1280, 720))
    calibration.header.frame_id = frame
    info.publish(calibration)
    here.spin_until(lambda: knows_calibration(here.lifter, calibration))
    answers = here.heard["skeletons"]
    for row in range(25):
        found.publish(made(row))
        here.spin_until(lambda row=row: len(answers) > row)
    (person,) = answers[-1].people
    assert answers[-1].header.frame_id == frame
    true = VIEW.to_camera(MovingPeople.shipped(1).joints(24 / FPS)[0])
    root = np.array([person.root.x, person.root.y, person.root.z])
    ray = root / np.linalg.norm(root) @ true[0] / np.linalg.norm(true[0])
    assert np.degrees(np.arccos(ray)) < 1.5
    lifted = np.reshape(person.joints, (17, 3))
    left, right = JOINT_NAMES.index("lshoulder"), JOINT_NAMES.index("rshoulder")
    across, truly = lifted[left] - lifted[right], true[left] - true[right]
    assert across @ truly / np.linalg.norm(across) / np.linalg.norm(truly) > 0.8


def test_people_and_boxes_in_the_real_messages(room: Callable[..., Room]) -> None:
    p, v = messages("people_msgs"), messages("vision_msgs")
    # Where the machine is busy, nobody leaves between two frames.
    here = room(publish_people=True, publish_detections=True, expire=5.0)
    people, boxes = here.listen(p.People, "people"), here.listen(v.Detection3DArray, "detections")
    here.start()
    truth = here.walk(40)[-1]
    here.spin_until(lambda: len(people) == 40 and len(boxes) == 40)
    (person,), (box,) = people[-1].people, boxes[-1].detections
    assert people[-1].header.frame_id == boxes[-1].header.frame_id == "map"
    assert person.name == box.id == ID
    at = np.array([person.position.x, person.position.y, person.position.z])
    assert np.linalg.norm(at - truth[0]) < 0.2
    assert 0.2 < np.hypot(person.velocity.x, person.velocity.y) < 2.5
    assert 0 < person.reliability <= 1
    (result,) = box.results
    assert result.hypothesis.class_id == "person" and 0 < result.hypothesis.score <= 1
    covariance = np.reshape(result.pose.covariance, (6, 6))[:3, :3]
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    centre, size = box.bbox.center.position, box.bbox.size
    low = np.array([centre.x - size.x / 2, centre.y - size.y / 2, centre.z - size.z / 2])
    high = np.array([centre.x + size.x / 2, centre.y + size.y / 2, centre.z + size.z / 2])
    assert (low < truth.mean(0)).all() and (truth.mean(0) < high).all()
    assert 1.3 < size.z < 2.2 and max(size.x, size.y) < 1.6


def _header(row: int, frame_id: str) -> Header:
    return Header(stamp=time_message(BASE + round(row / FPS * 1e9)), frame_id=frame_id)
