"""The detector node over DDS: the newest image is looked at, and keypoints bear its stamp."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from pstmo_core.detection import Detections, DetectorOptions
from pstmo_core.errors import ConfigError
from pstmo_core.skeleton import JOINTS
from pstmo_ros.conversions import stamp_ns, time_message
from pstmo_ros.detector_node import DetectorNode
from pstmo_ros.msg import People2D

DONE, REFUSED = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
FILE = Path(__file__).parents[2] / "config" / "detector.yaml"
BASE = 1_700_000_000_000_000_000
SIZE = (64, 48)


class BrightSpot:
    """A detector whose person stands at the brightest pixel; it takes its time, if told to."""

    layout = "h36m17"

    def __init__(self) -> None:
        self.seconds = 0.0
        self.looked = 0
        self.wait = threading.Event()
        self.wait.set()
        self.fault: Exception | None = None

    def load(self, kind: str, options: DetectorOptions) -> BrightSpot:
        return self

    def detect(self, image: np.ndarray) -> Detections:
        self.wait.wait(10)
        time.sleep(self.seconds)
        self.looked += 1
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        level = image.sum(-1)
        if not level.any():
            return Detections.nobody(JOINTS)
        row, column = np.unravel_index(level.argmax(), level.shape)
        points = np.tile(np.float32([column, row]), (1, JOINTS, 1))
        return Detections(points, np.full((1, JOINTS), 0.5, np.float32))

    def reset(self) -> None:
        pass

    def describe(self) -> str:
        return "a bright spot"


def spot(number: int) -> np.ndarray:
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    image[number % SIZE[1], number % SIZE[0]] = 255
    return image


def header(number: int) -> Header:
    return Header(stamp=time_message(BASE + number * 33_000_000), frame_id="camera")


def raw(number: int, image: np.ndarray) -> Image:
    height, width = image.shape[:2]
    return Image(
        header=header(number),
        width=width,
        height=height,
        encoding="bgr8",
        step=3 * width,
        data=image.tobytes(),
    )


class World(Node):
    """A detector node, a camera and somebody who hears keypoints."""

    def __init__(self, spots: BrightSpot | None, kind: type, topic: str, **given: Any) -> None:
        super().__init__("world")
        load = {"load": spots.load} if spots else {}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        self.node = DetectorNode(**load, parameter_overrides=overrides)
        self.heard: list[People2D] = []
        self.images = self.create_publisher(kind, topic, 10)
        self.create_subscription(People2D, "keypoints", self.heard.append, 100)
        self._executor_here = SingleThreadedExecutor()
        self._executor_here.add_node(self)
        self._executor_here.add_node(self.node)

    def start(self) -> None:
        assert self.node.start()
        self.spin_until(
            lambda: (
                self.images.get_subscription_count() == 1
                and self.count_publishers("keypoints") == 1
            )
        )

    def spin_until(self, holds: Callable[[], bool], seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not happen in time"
            self._executor_here.spin_once(timeout_sec=0.02)

    def spin_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor_here.spin_once(timeout_sec=0.01)

    def stamps(self) -> list[int]:
        """Return the numbers of the images that were answered."""
        return [(stamp_ns(m.header.stamp) - BASE) // 33_000_000 for m in self.heard]

    def close(self) -> None:
        self._executor_here.shutdown()
        self.node.destroy_node()
        self.destroy_node()


@pytest.fixture
def detector() -> BrightSpot:
    return BrightSpot()


@pytest.fixture
def world(ros: None, detector: BrightSpot) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(
        kind: type = Image, topic: str = "image_raw", shipped: bool = False, **given: Any
    ) -> World:
        made.append(World(None if shipped else detector, kind, topic, **given))
        return made[-1]

    yield make
    detector.wait.set()
    for each in made:
        each.close()


def test_each_image_is_answered_at_its_stamp_with_people_without_ids(
    world: Callable[..., World],
) -> None:
    here = world()
    here.start()
    for number in range(1, 6):
        here.images.publish(raw(number, spot(number)))
        here.spin_until(lambda wanted=number: len(here.heard) == wanted)
    assert here.stamps() == [1, 2, 3, 4, 5]
    for number, message in enumerate(here.heard, 1):
        assert message.header.frame_id == "camera"
        assert (message.layout, message.width, message.height) == ("h36m17", *SIZE)
        (person,) = message.people
        assert person.id == ""
        np.testing.assert_array_equal(person.points, [number] * 2 * JOINTS)
        np.testing.assert_array_equal(person.scores, [0.5] * JOINTS)


def test_an_image_without_people_is_answered_too(world: Callable[..., World]) -> None:
    here = world()
    here.start()
    here.images.publish(raw(1, np.zeros((48, 64, 3), np.uint8)))
    here.spin_until(lambda: len(here.heard) == 1)
    assert not here.heard[0].people and here.heard[0].width == 64


def test_a_busy_detector_takes_the_newest_image_and_the_others_are_counted(
    world: Callable[..., World], detector: BrightSpot, capfd: pytest.CaptureFixture[str]
) -> None:
    here = world()
    here.start()
    detector.wait.clear()
    detector.fault = RuntimeError("broken")  # a fault and a replaced image are logged apart
    here.images.publish(raw(0, spot(0)))
    here.spin_for(0.2)
    for number in range(1, 21):
        here.images.publish(raw(number, spot(number)))
        here.spin_for(0.02)
    detector.wait.set()
    here.spin_until(lambda: 20 in here.stamps())
    here.spin_for(0.2)
    assert here.stamps() == [20]
    assert here.node.drops.counts == {"replaced": 19, "internal": 1}
    log = capfd.readouterr().err
    assert "the newest is taken" in log and "broken" in log


def test_with_a_slow_detector_answers_stay_as_fresh_as_it_can(
    world: Callable[..., World], detector: BrightSpot
) -> None:
    detector.seconds = 0.1
    here = world()
    here.start()
    ages = []
    for number in range(1, 61):  # 50 images/s, for 10/s
        here.images.publish(raw(number, spot(number)))
        before = len(here.heard)
        here.spin_for(0.02)
        ages += [number - answered for answered in here.stamps()[before:]]
    assert 5 <= len(here.heard) <= 16
    assert max(ages) <= 12  # an image waits for one other at most: 0.2 s, with some room


def test_a_highest_rate_is_kept(world: Callable[..., World]) -> None:
    here = world(max_image_rate=5.0)
    here.start()
    for number in range(1, 51):
        here.images.publish(raw(number, spot(number)))
        here.spin_for(0.02)
    assert 3 <= len(here.heard) <= 8


@pytest.mark.parametrize("transport", ["auto", "compressed"])
def test_compressed_images_are_found_by_type_or_by_custom(
    world: Callable[..., World], transport: str
) -> None:
    here = world(CompressedImage, "image_raw/compressed", image_transport=transport)
    here.start()
    data = cv2.imencode(".png", spot(3))[1].tobytes()
    here.images.publish(CompressedImage(header=header(3), format="png", data=data))
    here.spin_until(lambda: len(here.heard) == 1)
    assert here.stamps() == [3]
    np.testing.assert_array_equal(here.heard[0].people[0].points, [3] * 2 * JOINTS)


def test_a_compressed_topic_of_any_name_is_known_by_its_type(world: Callable[..., World]) -> None:
    here = world(CompressedImage, "jpegs", image_topic="jpegs")
    here.start()


def test_images_of_somebody_who_comes_later_are_found(world: Callable[..., World]) -> None:
    here = world(topic="elsewhere")
    assert here.node.start()
    here.spin_for(0.7)
    late = here.create_publisher(Image, "image_raw", 10)
    here.spin_until(lambda: late.get_subscription_count() == 1)
    late.publish(raw(1, spot(1)))
    here.spin_until(lambda: here.stamps() == [1])


def test_bad_images_and_faults_are_counted_and_the_next_image_is_answered(
    world: Callable[..., World], detector: BrightSpot, capfd: pytest.CaptureFixture[str]
) -> None:
    here = world()
    here.start()
    bad = raw(1, spot(1))
    bad.encoding = "32FC1"
    here.images.publish(bad)
    here.spin_until(lambda: here.node.drops.counts["image"] == 1)
    detector.fault = RuntimeError("broken")
    here.images.publish(raw(2, spot(2)))
    here.spin_until(lambda: here.node.drops.counts["internal"] == 1)
    here.images.publish(raw(3, spot(3)))
    here.spin_until(lambda: here.stamps() == [3])
    log = capfd.readouterr().err
    assert "encoding is '32FC1'" in log and "broken" in log


def test_nothing_is_looked_at_while_inactive_and_all_is_after_a_second_start(
    world: Callable[..., World], detector: BrightSpot
) -> None:
    here = world()
    for turn in (1, 2):
        here.start()
        here.images.publish(raw(turn, spot(turn)))
        here.spin_until(lambda wanted=turn: len(here.heard) == wanted)
        assert here.node.trigger_deactivate() == DONE
        here.spin_until(lambda: here.images.get_subscription_count() == 0)
        assert here.node.trigger_cleanup() == DONE
    assert detector.looked == 2


def test_deactivation_waits_for_the_image_at_hand(
    world: Callable[..., World], detector: BrightSpot
) -> None:
    detector.seconds = 0.3
    here = world()
    here.start()
    here.images.publish(raw(1, spot(1)))
    here.spin_for(0.1)
    assert here.node.trigger_deactivate() == DONE
    assert here.node.trigger_cleanup() == DONE
    assert detector.looked == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"detector": "rtm"}, "set pose_model"),
        ({"detector": "onnx"}, "set pose_model"),
        ({"detector": "onnx", "pose_model": "/no/such.onnx"}, "/no/such.onnx: no such file"),
        ({"detector": "mediapipe"}, "pose_landmarker"),
    ],
)
def test_a_missing_file_is_a_sentence_that_names_the_parameter(
    world: Callable[..., World],
    capfd: pytest.CaptureFixture[str],
    given: dict[str, str],
    says: str,
) -> None:
    here = world(shipped=True, **given)
    assert here.node.trigger_configure() == REFUSED
    log = capfd.readouterr().err
    assert "cannot configure" in log and "Traceback" not in log
    assert says in log or "pip install" in log


def test_the_detector_for_rendered_people_warns_of_other_images(
    world: Callable[..., World], capfd: pytest.CaptureFixture[str]
) -> None:
    world(detector="simulation").start()
    log = capfd.readouterr().err
    assert "finds rendered people only, but the images on image_raw are of world" in log
    assert "set detector to movenet" in log


def test_the_virtual_cameras_people_are_found_where_they_are(
    world: Callable[..., World], capfd: pytest.CaptureFixture[str]
) -> None:
    from pstmo_ros.virtual_camera import VirtualCamera

    here = world(topic="unused", shipped=True, detector="simulation")
    truth: dict[int, People2D] = {}
    here.create_subscription(
        People2D, "truth_keypoints", lambda m: truth.update({stamp_ns(m.header.stamp): m}), 100
    )
    assert here.node.start()
    camera = VirtualCamera(parameter_overrides=[Parameter("fps", value=5.0)])
    here._executor_here.add_node(camera)
    here.spin_until(lambda: len(here.heard) >= 10, seconds=30.0)
    camera.destroy_node()
    assert "finds rendered people only, but" not in capfd.readouterr().err
    found, errors = 0, []
    for message in here.heard:
        true = truth[stamp_ns(message.header.stamp)]
        assert (message.header.frame_id, message.layout) == (true.header.frame_id, true.layout)
        found += len(message.people)
        places = np.array([np.reshape(person.points, (JOINTS, 2)) for person in true.people])
        for person in message.people:
            apart = np.linalg.norm(places - np.reshape(person.points, (JOINTS, 2)), axis=-1)
            errors.append(apart.mean(-1).min())
    assert 0.8 * 2 * len(here.heard) <= found <= 1.2 * 2 * len(here.heard)
    print(f"measured: median error {np.median(errors):.1f} pixels")
    assert np.median(errors) < 12


def test_a_detector_can_be_changed_only_while_unconfigured(world: Callable[..., World]) -> None:
    here = world()
    (result,) = here.node.set_parameters([Parameter("detector", value="onnx")])
    assert result.successful
    here.start()
    for name, value in (("detector", "rtm"), ("person_score", 0.5)):
        (result,) = here.node.set_parameters([Parameter(name, value=value)])
        assert not result.successful
        assert "only while the node is unconfigured" in result.reason


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("detector", "yolo", "rtm"),
        ("image_transport", "theora", "compressed"),
        ("image_topic", "my images", "a topic's name"),
        ("people_from", "nowhere", "previous"),
        ("person_score", 2.0, "between 0.0 and 1.0"),
        ("pose_deviation", [1.0, 0.0, 1.0], "above 0"),
        ("pose_mean", [1.0], "three numbers"),
    ],
)
def test_a_node_does_not_start_with_a_wrong_parameter(
    ros: None, name: str, value: Any, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        DetectorNode(parameter_overrides=[Parameter(name, value=value)])
    assert name in str(refused.value)


def test_the_file_has_every_parameter_at_its_default(world: Callable[..., World]) -> None:
    in_file = yaml.safe_load(FILE.read_text())["/**"]["ros__parameters"]
    of_ros = ("use_sim_time", "start_type_description_service")
    found = world().node.get_parameters_by_prefix("")
    declared = {n: p.value for n, p in found.items() if n not in of_ros and "qos_over" not in n}
    plain = {
        n: v if isinstance(v, (str, bool, int, float)) else list(v) for n, v in declared.items()
    }
    assert in_file == plain
    assert {n: type(v) for n, v in in_file.items()} == {n: type(v) for n, v in plain.items()}


def test_names_that_detector_and_lifter_share_mean_the_same(world: Callable[..., World]) -> None:
    """They run in one process, where a parameter file is for both."""
    from pstmo_ros.lifter_node import LifterNode

    here, lifter = world().node, LifterNode()
    shared = set(here.get_parameters_by_prefix("")) & set(lifter.get_parameters_by_prefix(""))
    lifter.destroy_node()
    of_ros = {"use_sim_time", "start_type_description_service"}
    assert {n for n in shared - of_ros if "qos_over" not in n} == {
        "autostart", "keypoints_topic", "rotation",
    }  # fmt: skip
