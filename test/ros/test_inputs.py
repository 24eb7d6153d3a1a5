"""Keypoints of other packages become the lifter's: each message by its own package's rules.

yolo_msgs, zed_msgs and vision_msgs are not among the wheels: what is read of them are stand-ins
with the fields of their definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace as Message

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from std_msgs.msg import Header

from pstmo_core.keypoints.layouts import get_layout
from pstmo_ros.inputs.people import UnusableInput, people_message
from pstmo_ros.inputs.vision import vision_reader
from pstmo_ros.inputs.yolo import yolo_reader
from pstmo_ros.inputs.zed import zed_reader
from pstmo_ros.msg import Person2D

SIZE = (1280, 720)
HEADER = Header(frame_id="camera")


def points_of(person: Person2D) -> np.ndarray:
    return np.reshape(person.points, (-1, 2))


def yolo_detection(name: str, points: dict[int, tuple[float, float, float]]) -> Message:
    data = [Message(id=i, point=Message(x=x, y=y), score=s) for i, (x, y, s) in points.items()]
    return Message(class_name="person", id=name, keypoints=Message(data=data))


def test_yolos_keypoints_are_numbered_from_one_and_those_left_out_are_not_seen() -> None:
    message = Message(
        header=HEADER,
        detections=[
            yolo_detection("7", {1: (100.0, 50.0, 0.9), 17: (120.0, 400.0, 0.6), 99: (1, 1, 1)}),
            Message(class_name="chair", id="8", keypoints=Message(data=[])),
        ],
    )  # fmt: skip
    found = people_message(yolo_reader(""), message, SIZE, normalized=False)
    (person,) = found.people
    assert (found.layout, found.width, found.height, person.id) == ("coco17", *SIZE, "7")
    coco = get_layout("coco17").joint_names
    points = dict(zip(coco, points_of(person).tolist(), strict=True))
    assert points["nose"] == [100, 50] and points["rankle"] == [120, 400]
    assert np.isnan(points["lhip"]).all()
    assert np.flatnonzero(person.scores).tolist() == [0, 16]


@pytest.mark.parametrize(("number", "layout"), [(0, "openpose18"), (1, "zed34"), (2, "zed38")])
def test_zeds_bodies_have_the_layout_of_their_format(number: int, layout: str) -> None:
    names = get_layout(layout).joint_names
    keypoints = [Message(kp=[10.0 * row, 20.0 + row]) for row in range(70)]
    keypoints[names.index("nose")].kp = [-1.0, -1.0]
    body = Message(
        label_id=3, skeleton_available=True, body_format=number,
        skeleton_2d=Message(keypoints=keypoints), skeleton_keypoint_confidence=[80.0] * 70,
    )  # fmt: skip
    nobody = Message(skeleton_available=False, body_format=7)
    read_zed = zed_reader(lambda: "")
    found = people_message(read_zed, Message(header=HEADER, objects=[body, nobody]), SIZE, False)
    (person,) = found.people
    assert (found.layout, person.id, len(person.scores)) == (layout, "z3", len(names))
    knee = names.index("lknee")
    assert points_of(person)[knee].tolist() == [10 * knee, 20 + knee]
    assert person.scores[knee] == pytest.approx(0.8) and person.scores[names.index("nose")] == 0
    del body.skeleton_keypoint_confidence  # of older wrappers
    assert people_message(read_zed, Message(header=HEADER, objects=[body]), SIZE, False)
    body.body_format = 3
    with pytest.raises(UnusableInput, match=r"formats \[3\].*BODY_38"):
        read_zed(Message(header=HEADER, objects=[body]))


def test_what_zed_sees_belongs_to_the_optical_frame_whatever_its_header_says() -> None:
    header = Header(frame_id="zed_left_camera_frame")  # x forward, for its 3D points
    message = Message(header=header, objects=[])
    assert zed_reader(lambda: "")(message)[0].frame_id == "zed_left_camera_frame_optical"
    of_camera_info = zed_reader(lambda: "zed_left_camera_optical_frame")  # of older wrappers
    assert of_camera_info(message)[0].frame_id == "zed_left_camera_optical_frame"


def test_visions_results_are_keypoints_by_name_or_by_number() -> None:
    def result(name: str, x: float, y: float) -> Message:
        at = Message(position=Message(x=x, y=y))
        return Message(hypothesis=Message(class_id=name, score=0.7), pose=Message(pose=at))

    results = [result("person", 5, 5), result("left_knee", 0.5, 0.25), result("16", 0.1, 0.9)]
    message = Message(header=HEADER, detections=[Message(id="a", results=results)])
    (person,) = people_message(vision_reader(""), message, SIZE, normalized=True).people
    coco = get_layout("coco17").joint_names
    assert points_of(person)[coco.index("lknee")].tolist() == [640, 180]
    assert points_of(person)[coco.index("rankle")].tolist() == pytest.approx([128, 648])
    assert np.count_nonzero(person.scores) == 2


def endless(make: Callable[[], Message]) -> tuple[Iterator[Message], list[int]]:
    """Return a million of something, and how many were looked at."""
    looked = [0]

    def each() -> Iterator[Message]:
        for number in range(1_000_000):
            looked[0] = number + 1
            yield make()

    return each(), looked


@pytest.mark.parametrize("kind", ["yolo", "zed", "vision"])
def test_of_a_message_of_endless_people_a_few_more_than_are_read_are_looked_at(kind: str) -> None:
    far = Message(x=1e300, y=1e300)
    result = Message(
        hypothesis=Message(class_id="left_knee", score=0.9),
        pose=Message(pose=Message(position=far)),
    )
    body = Message(
        label_id=3, skeleton_available=True, body_format=0,
        skeleton_2d=Message(keypoints=[Message(kp=[1.0, 2.0])] * 70),
    )  # fmt: skip
    make, read, field = {
        "yolo": (
            lambda: yolo_detection("7", {1: (1e300, 1.0, 0.9)}),
            yolo_reader(""),
            "detections",
        ),
        "zed": (lambda: body, zed_reader(lambda: ""), "objects"),
        "vision": (lambda: Message(id="a", results=[result]), vision_reader(""), "detections"),
    }[kind]
    many, looked = endless(make)
    found = people_message(read, Message(header=HEADER, **{field: many}), SIZE, normalized=False)
    assert len(found.people) == looked[0] == 257  # the lifter reads 256 and tells of more
