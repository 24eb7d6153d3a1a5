"""The detector node over DDS: the newest image is looked at, and keypoints bear its stamp."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from bright_spot import SIZE, BrightSpot, Darkroom, header, raw, spot
from node_world import overrides, worlds
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CompressedImage, Image

from pstmo_core.skeleton import JOINTS
from pstmo_ros.conversions import stamp_ns
from pstmo_ros.detector_node import DetectorNode
from pstmo_ros.msg import People2D

DONE = TransitionCallbackReturn.SUCCESS


def waits(node: DetectorNode, number: int) -> bool:
    """Say whether an image is the one that is looked at next."""
    item = node._mailbox._item
    return item is not None and item.header == header(number)


@pytest.fixture
def detector() -> BrightSpot:
    return BrightSpot()


world = worlds(Darkroom)


def test_each_image_is_answered_at_its_stamp_with_people_without_ids(
    world: Callable[..., Darkroom], detector: BrightSpot
) -> None:
    here = world(detector)
    here.start()
    for number in range(1, 6):
        here.images.publish(raw(number, spot(number)))
        here.spin_until(lambda wanted=number: len(here.keypoints) == wanted)
    assert here.stamps() == [1, 2, 3, 4, 5]
    for number, message in enumerate(here.keypoints, 1):
        assert message.header.frame_id == "camera"
        assert (message.layout, message.width, message.height) == ("h36m17", *SIZE)
        (person,) = message.people
        assert person.id == ""
        np.testing.assert_array_equal(person.points, [number] * 2 * JOINTS)
        np.testing.assert_array_equal(person.scores, [0.5] * JOINTS)


def test_an_image_without_people_is_answered_too(
    world: Callable[..., Darkroom], detector: BrightSpot
) -> None:
    here = world(detector)
    here.start()
    here.images.publish(raw(1, np.zeros((48, 64, 3), np.uint8)))
    here.spin_until(lambda: len(here.keypoints) == 1)
    assert not here.keypoints[0].people and here.keypoints[0].width == 64


def test_a_busy_detector_takes_the_newest_image_and_the_others_are_counted(
    world: Callable[..., Darkroom], detector: BrightSpot, capfd: pytest.CaptureFixture[str]
) -> None:
    here = world(detector)
    here.start()
    detector.wait.clear()
    detector.fault = RuntimeError("broken")  # a fault and a replaced image are logged apart
    here.images.publish(raw(0, spot(0)))
    here.spin_until(detector.looks.is_set)
    for number in range(1, 21):
        here.images.publish(raw(number, spot(number)))
        here.spin_until(lambda n=number: waits(here.node, n))
    detector.wait.set()
    here.spin_until(lambda: 20 in here.stamps())
    here.spin_for(0.2)
    assert here.stamps() == [20]
    assert here.node.drops.counts == {"replaced": 19, "internal": 1}
    log = capfd.readouterr().err
    assert "the newest is taken" in log and "broken" in log


def test_of_two_cameras_on_one_topic_one_is_looked_at_whatever_their_frames_are_called(
    world: Callable[..., Darkroom], detector: BrightSpot, capfd: pytest.CaptureFixture[str]
) -> None:
    here = world(detector)
    here.start()
    other = here.create_publisher(Image, "image_raw", 10)
    here.spin_until(lambda: other.get_subscription_count() == 1)
    for number in range(0, 20, 2):
        here.images.publish(raw(number, spot(number)))
        here.spin_for(0.03)
        other.publish(raw(number + 1, spot(number + 1)))
        here.spin_until(lambda wanted=number + 1: wanted in here.stamps())
    assert here.stamps() == [0, *range(1, 20, 2)]
    assert "'camera' of 2 publishers: only one is looked at" in capfd.readouterr().err


@pytest.mark.alone
def test_with_a_slow_detector_answers_stay_as_fresh_as_it_can(
    world: Callable[..., Darkroom], detector: BrightSpot
) -> None:
    detector.seconds = 0.1
    here = world(detector)
    here.start()
    ages = []
    began = time.monotonic()
    for number in range(1, 61):  # 50 images/s, for 10/s
        here.images.publish(raw(number, spot(number)))
        before = len(here.keypoints)
        here.spin_for(0.02)
        ages += [number - answered for answered in here.stamps()[before:]]
    assert 5 <= len(here.keypoints) <= 10 * (time.monotonic() - began) + 4
    assert max(ages) <= 12  # an image waits for one other at most: 0.2 s, with some room


@pytest.mark.alone
def test_a_highest_rate_is_kept(world: Callable[..., Darkroom], detector: BrightSpot) -> None:
    here = world(detector, max_image_rate=5.0)
    here.start()
    began = time.monotonic()
    for number in range(1, 51):
        here.images.publish(raw(number, spot(number)))
        here.spin_for(0.02)
    assert 3 <= len(here.keypoints) <= 5 * (time.monotonic() - began) + 3


@pytest.mark.parametrize("transport", ["auto", "compressed"])
def test_compressed_images_are_found_by_type_or_by_custom(
    world: Callable[..., Darkroom], transport: str, detector: BrightSpot
) -> None:
    here = world(detector, CompressedImage, "image_raw/compressed", image_transport=transport)
    here.start()
    data = cv2.imencode(".png", spot(3))[1].tobytes()
    here.images.publish(CompressedImage(header=header(3), format="png", data=data))
    here.spin_until(lambda: len(here.keypoints) == 1)
    assert here.stamps() == [3]
    np.testing.assert_array_equal(here.keypoints[0].people[0].points, [3] * 2 * JOINTS)


@pytest.mark.parametrize("transport", ["auto", "compressed"])
def test_compressed_images_are_found_below_a_remapped_topic(
    world: Callable[..., Darkroom], detector: BrightSpot, transport: str
) -> None:
    """As image_transport does it: who remaps image_raw means its transports, too."""
    here = world(None, CompressedImage, "/cam/color/compressed")
    remapped = DetectorNode(
        load=detector.load, cli_args=["--ros-args", "-r", "image_raw:=/cam/color"],
        parameter_overrides=overrides({"image_transport": transport}),
    )  # fmt: skip
    assert here.take_in(remapped).start()
    here.spin_until(lambda: here.images.get_subscription_count() == 1)


def test_a_compressed_topic_of_any_name_is_known_by_its_type(
    world: Callable[..., Darkroom], detector: BrightSpot
) -> None:
    here = world(detector, CompressedImage, "jpegs", image_topic="jpegs")
    here.start()


def test_images_of_somebody_who_comes_later_are_found(
    world: Callable[..., Darkroom], detector: BrightSpot
) -> None:
    here = world(detector, topic="elsewhere")
    assert here.node.start()
    here.spin_for(0.7)
    late = here.create_publisher(Image, "image_raw", 10)
    here.spin_until(lambda: late.get_subscription_count() == 1)
    late.publish(raw(1, spot(1)))
    here.spin_until(lambda: here.stamps() == [1])


def test_bad_images_and_faults_are_counted_and_the_next_image_is_answered(
    world: Callable[..., Darkroom], detector: BrightSpot, capfd: pytest.CaptureFixture[str]
) -> None:
    here = world(detector)
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


def test_a_detector_that_adapts_and_people_who_are_left_out_are_said_once(
    world: Callable[..., Darkroom], detector: BrightSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = world(detector)
    said = here.listen_to_logs()
    here.start()
    find = detector.detect
    monkeypatch.setattr(
        detector, "detect", lambda image: dataclasses.replace(find(image), left_out=2)
    )
    for number in range(1, 7):
        if number == 3:
            monkeypatch.setattr(detector, "describe", lambda: "a spot, found faster")
        here.images.publish(raw(number, spot(number)))
        here.spin_until(lambda wanted=number: len(here.keypoints) == wanted)
    here.spin_until(lambda: any("spot, found faster" in line for line in said))
    assert sum("pace has changed: a spot, found faster" in line for line in said) == 1
    crowd = [line for line in said if "more people are in view than the 1 who are" in line]
    assert len(crowd) == 1 and "detected_people" in crowd[0]


def test_nothing_is_looked_at_while_inactive_and_all_is_after_a_second_start(
    world: Callable[..., Darkroom], detector: BrightSpot
) -> None:
    here = world(detector)
    for turn in (1, 2):
        here.start()
        here.images.publish(raw(turn, spot(turn)))
        here.spin_until(lambda wanted=turn: len(here.keypoints) == wanted)
        assert here.node.trigger_deactivate() == DONE
        here.spin_until(lambda: here.images.get_subscription_count() == 0)
        assert here.node.trigger_cleanup() == DONE
    assert detector.looked == 2


def test_deactivation_waits_for_the_image_at_hand(
    world: Callable[..., Darkroom], detector: BrightSpot
) -> None:
    detector.seconds = 0.3
    here = world(detector)
    here.start()
    here.images.publish(raw(1, spot(1)))
    here.spin_until(detector.looks.is_set)
    assert here.node.trigger_deactivate() == DONE
    assert here.node.trigger_cleanup() == DONE
    assert detector.looked == 1


def test_the_virtual_cameras_people_are_found_where_they_are(
    world: Callable[..., Darkroom], capfd: pytest.CaptureFixture[str]
) -> None:
    from pstmo_ros.virtual_camera import VirtualCamera

    here = world(None, topic="unused", detector="simulation")
    truth: dict[int, People2D] = {}
    here.create_subscription(
        People2D, "truth_keypoints", lambda m: truth.update({stamp_ns(m.header.stamp): m}), 100
    )
    assert here.node.start()
    here.take_in(VirtualCamera(parameter_overrides=overrides({"fps": 5.0})))
    here.spin_until(lambda: len(here.keypoints) >= 10, seconds=30.0)
    assert "finds rendered people only, but" not in capfd.readouterr().err
    found, errors = 0, []
    for message in here.keypoints:
        true = truth[stamp_ns(message.header.stamp)]
        assert (message.header.frame_id, message.layout) == (true.header.frame_id, true.layout)
        found += len(message.people)
        places = np.array([np.reshape(person.points, (JOINTS, 2)) for person in true.people])
        for person in message.people:
            apart = np.linalg.norm(places - np.reshape(person.points, (JOINTS, 2)), axis=-1)
            errors.append(apart.mean(-1).min())
    assert 0.8 * 2 * len(here.keypoints) <= found <= 1.2 * 2 * len(here.keypoints)
    print(f"measured: median error {np.median(errors):.1f} pixels")
    assert np.median(errors) < 12
