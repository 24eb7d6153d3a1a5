"""The lifter hears keypoints in other packages' messages, or says with a sentence why not."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace as Message
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from lifter_knows import knows_calibration
from lifter_world import LifterWorld
from node_world import overrides, worlds
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.lift.calibration import pinhole
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.skeleton import JOINT_NAMES
from pstmo_ros.conversions import camera_info_message, floats, joints_of, stamp_ns, time_message
from pstmo_ros.inputs import listening
from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.msg import People2D, Person2D

VIEW = View(1280, 720, 1000.0, position=(0.3, -4.2, 1.5), target=(0.0, 0.0, 0.9))
SIZE = (1280, 720)
FPS = 25.0
BASE = 1_700_000_000_000_000_000


class Room(LifterWorld):
    """A lifter before whose camera somebody walks."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._info = self.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)

    def start(self, calibrated: bool = True) -> None:
        assert self.lifter.start()
        self.spin_until(lambda: self.count_publishers("skeletons") == 1)
        self.spin_until(lambda: self._info.get_subscription_count() == 1)
        if calibrated:
            told = camera_info_message(pinhole(1000.0, *SIZE))
            self._info.publish(told)
            self.spin_until(lambda: knows_calibration(self.lifter, told))

    def people2d(self, row: int, scale: tuple[float, float] = (1.0, 1.0)) -> People2D:
        points = project(row, 0) / np.array(scale)
        return People2D(
            header=header(row), layout="h36m17", width=SIZE[0], height=SIZE[1],
            people=[Person2D(id="a", points=floats(points.ravel()))],
        )  # fmt: skip


def header(row: int) -> Header:
    return Header(stamp=time_message(BASE + round(row / FPS * 1e9)), frame_id="camera")


def project(row: int, person: int) -> np.ndarray:
    """Return where somebody's joints (17, 2) are in the image."""
    return VIEW.project(VIEW.to_camera(MovingPeople.shipped(2).joints(row / FPS)[person]))


room = worlds(Room)


def test_declared_shares_of_the_image_are_lifted_as_pixels_are(room: Callable[..., Room]) -> None:
    answers = []
    for normalized, scale in ((False, (1.0, 1.0)), (True, (1280.0, 720.0))):
        here = room(normalized=normalized)
        here.start()
        for row in range(5):
            here.keypoints.publish(here.people2d(row, scale))
            here.spin_until(lambda row=row, here=here: len(here.skeletons) > row)
        answers.append(joints_of(here.skeletons[-1].people[0]))
        here.lifter.trigger_deactivate()
        here.lifter.trigger_cleanup()
    np.testing.assert_allclose(*answers, atol=1e-4)


def test_pixels_that_are_declared_shares_are_refused_with_a_sentence(
    room: Callable[..., Room], capfd: pytest.CaptureFixture[str]
) -> None:
    here = room(normalized=True)
    here.start()
    here.keypoints.publish(here.people2d(0))
    here.spin_until(lambda: here.lifter.drops.counts["input"] == 1)
    assert "the parameter normalized says" in capfd.readouterr().err
    assert not here.skeletons


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("yolo", "yolo_msgs, which is not installed: build https://github.com/mgonzs13/yolo_ros"),
        ("zed", "zed_msgs, which is not installed: apt install ros-$ROS_DISTRO-zed-msgs"),
        ("vision", "vision_msgs, which is not installed: apt install ros-$ROS_DISTRO-vision-msgs"),
    ],
)
def test_a_package_that_is_missing_is_named_with_what_brings_it(
    room: Callable[..., Room], capfd: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    try:
        __import__(f"{name}_msgs")
        pytest.skip(f"{name}_msgs is installed here")
    except ImportError:
        pass
    here = room(input=name)
    assert not here.lifter.start()
    assert says in capfd.readouterr().err


def test_a_users_layout_is_read_or_refused_at_the_start(
    room: Callable[..., Room], tmp_path: Any
) -> None:
    path = tmp_path / "lab.yaml"
    names = ", ".join(reversed(JOINT_NAMES))
    path.write_text(f"points: [{names}]\njoints: {{{', '.join(f'{j}: {j}' for j in JOINT_NAMES)}}}")
    here = room(layout=str(path))
    here.start()
    message = here.people2d(0)
    message.people[0].points = floats(project(0, 0)[::-1].ravel())
    here.keypoints.publish(message)
    here.spin_until(lambda: bool(here.skeletons))
    assert here.skeletons[-1].people and here.lifter.drops.counts.total() == 0
    with pytest.raises(ConfigError, match="absent.yaml: cannot be read"):
        LifterNode(parameter_overrides=overrides({"layout": str(tmp_path / "absent.yaml")}))
    with pytest.raises(ConfigError, match="one of 'people2d', 'hri'"):
        LifterNode(parameter_overrides=overrides({"input": "openpose"}))


def test_a_layout_that_is_set_while_the_node_runs_holds_for_the_next_message(
    room: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reader(layout: str) -> Any:
        read.append(layout)
        rows = {"": 17, "openpose18": 18}[layout]
        person = "7", np.full((rows, 2), 100.0, np.float32), np.ones(rows, np.float32)
        return lambda message: (message.header, layout or "coco17", [person])

    monkeypatch.setattr(listening, "messages_of", lambda *_: Message(DetectionArray=People2D))
    monkeypatch.setattr(listening, "yolo_reader", reader)
    here = room(input="yolo")
    here.start()
    for row, layout in enumerate(("", "", "openpose18")):
        if row == 2:
            here.lifter.set_parameters([Parameter("layout", value=layout)])
        here.keypoints.publish(here.people2d(row))
        here.spin_until(lambda row=row: len(here.skeletons) > row)
        assert here.skeletons[-1].people
    assert read == ["", "openpose18"] and not here.lifter.drops.counts


def test_a_node_that_would_hear_itself_is_refused_and_can_be_mended(
    room: Callable[..., Room], capfd: pytest.CaptureFixture[str]
) -> None:
    here = room(input="hri", publish_hri=True, publish_tf="links")
    assert not here.lifter.start()
    assert "would hear itself on /humans/bodies" in capfd.readouterr().err
    changes = [Parameter("publish_hri", value=False), Parameter("input", value="people2d")]
    assert all(result.successful for result in here.lifter.set_parameters(changes))
    here.start()
    here.keypoints.publish(here.people2d(0))
    here.spin_until(lambda: bool(here.skeletons and here.skeletons[-1].people))


def test_an_activation_that_was_refused_can_be_repeated(
    room: Callable[..., Room], capfd: pytest.CaptureFixture[str]
) -> None:
    lifter = room(input="hri", publish_hri=True, publish_tf="links").lifter
    assert lifter.trigger_configure() == TransitionCallbackReturn.SUCCESS
    for _ in range(2):
        assert lifter.trigger_activate() == TransitionCallbackReturn.FAILURE
        log = capfd.readouterr().err
        assert "would hear itself" in log and "Traceback" not in log
    assert lifter.trigger_cleanup() == TransitionCallbackReturn.SUCCESS


def test_bodies_of_rep_155_are_not_taken_for_those_of_several_cameras(
    room: Callable[..., Room], capfd: pytest.CaptureFixture[str]
) -> None:
    assert not room(input="hri", cameras="camera1,camera2").lifter.start()
    assert "give each camera a lifter of its own" in capfd.readouterr().err


def test_bodies_of_rep_155_are_lifted_image_by_image(room: Callable[..., Room]) -> None:
    m = pytest.importorskip("hri_msgs.msg", reason="needs hri_msgs")
    here = room(input="hri", expire=2.0)
    tracked = here.create_publisher(m.IdsList, "/humans/bodies/tracked", 10)
    bodies = {
        name: here.create_publisher(m.Skeleton2D, f"/humans/bodies/{name}/skeleton2d", 100)
        for name in ("anna", "b2")
    }
    here.start()
    tracked.publish(m.IdsList(ids=["anna", "b2", "no topic!"]))
    here.spin_until(lambda: all(p.get_subscription_count() == 1 for p in bodies.values()))
    for row in range(10):
        for person, (name, publisher) in enumerate(bodies.items()):
            if name == "b2" and row >= 6:  # hidden: nobody waits for it for long
                continue
            publisher.publish(skeleton2d(m, row, person))
        here.spin_until(lambda row=row: len(here.skeletons) > row)
    assert [stamp_ns(a.header.stamp) for a in here.skeletons] == [
        stamp_ns(header(row).stamp) for row in range(10)
    ]
    assert {p.id for p in here.skeletons[5].people} == {"anna", "b2"}
    assert here.skeletons[5].header.frame_id == "camera"
    assert here.skeletons[5].people[0].root_source != 0
    # Left is left: the left shoulder lies where the message has it.
    true = VIEW.to_camera(MovingPeople.shipped(2).joints(5 / FPS)[0])
    left, right = JOINT_NAMES.index("lshoulder"), JOINT_NAMES.index("rshoulder")
    lifted = joints_of(next(p for p in here.skeletons[5].people if p.id == "anna"))
    assert np.sign(lifted[left, 0] - lifted[right, 0]) == np.sign(true[left, 0] - true[right, 0])

    tracked.publish(m.IdsList(header=header(11)))
    here.spin_until(lambda: not here.skeletons[-1].people)


@pytest.mark.parametrize("bad", ["7abc", "x" * 300, "no topic!"])
def test_an_id_that_no_topic_can_have_silences_nobody_else(
    room: Callable[..., Room], capfd: pytest.CaptureFixture[str], bad: str
) -> None:
    m = pytest.importorskip("hri_msgs.msg", reason="needs hri_msgs")
    here, body = heard_body(m, room, [bad, "anna"])
    body.publish(skeleton2d(m, 0, 0))
    here.spin_until(lambda: bool(here.skeletons and here.skeletons[-1].people))
    assert here.lifter.drops.counts == {"input": 1}
    assert "1 of 2 bodies are not heard" in capfd.readouterr().err


def test_bodies_in_pixels_are_refused_with_a_sentence(
    room: Callable[..., Room], capfd: pytest.CaptureFixture[str]
) -> None:
    m = pytest.importorskip("hri_msgs.msg", reason="needs hri_msgs")
    here, body = heard_body(m, room, ["anna"])
    message = skeleton2d(m, 0, 0)
    for point in message.skeleton:
        point.x, point.y = 1280 * point.x, 720 * point.y
    body.publish(message)
    here.spin_until(lambda: here.lifter.drops.counts["input"] == 1)
    log = capfd.readouterr().err
    assert "are no shares of the image, 0 to 1, as REP-155" in log and "Traceback" not in log


def test_bodies_without_an_image_size_wait_for_the_calibration_and_say_so(
    room: Callable[..., Room], capfd: pytest.CaptureFixture[str]
) -> None:
    m = pytest.importorskip("hri_msgs.msg", reason="needs hri_msgs")
    here, body = heard_body(m, room, ["a"], calibrated=False)
    body.publish(skeleton2d(m, 0, 0))
    here.spin_until(lambda: here.lifter.drops.counts["input"] == 1)
    assert "no camera_info came on camera_info" in capfd.readouterr().err


def heard_body(
    m: Any, room: Callable[..., Room], ids: list[str], calibrated: bool = True
) -> tuple[Room, Any]:
    """Return a room where bodies are tracked, and the publisher of the last one, who is heard."""
    here = room(input="hri")
    tracked = here.create_publisher(m.IdsList, "/humans/bodies/tracked", 10)
    topic = f"/humans/bodies/{ids[-1]}/skeleton2d"
    body = here.create_publisher(m.Skeleton2D, topic, 100)
    here.start(calibrated=calibrated)
    tracked.publish(m.IdsList(ids=ids))
    here.spin_until(lambda: body.get_subscription_count() == 1)
    return here, body


def skeleton2d(m: Any, row: int, person: int) -> Any:
    """Return what REP-155 says of somebody in an image."""
    message = m.Skeleton2D(header=header(row))
    joints = dict(zip(JOINT_NAMES, project(row, person) / SIZE, strict=True))
    joints |= {"nose": joints["head"], "neck": (joints["lshoulder"] + joints["rshoulder"]) / 2}
    for number, name in enumerate(get_layout("openpose18").joint_names):
        if name in joints:
            place = message.skeleton[number]
            (place.x, place.y), place.c = joints[name].tolist(), 0.9
    return message
