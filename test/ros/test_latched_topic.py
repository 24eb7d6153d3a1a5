"""What is published once and latched is heard, and nobody is asked for a QoS that he has not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from lifter_knows import knows_calibration
from lifter_world import LifterWorld
from node_world import worlds
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from pstmo_core.lift.calibration import pinhole
from pstmo_ros.conversions import camera_info_message

VOLATILE, LATCHED = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL
BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE

world = worlds(LifterWorld)


def calibration(focal: float = 1000.0) -> CameraInfo:
    message: CameraInfo = camera_info_message(pinhole(focal, 1280, 720))
    message.header.frame_id = "camera"
    return message


def qos(durability: DurabilityPolicy, reliability: ReliabilityPolicy = RELIABLE) -> QoSProfile:
    return QoSProfile(depth=1, durability=durability, reliability=reliability)


def heard_once(here: LifterWorld, publisher: Any, info: CameraInfo) -> None:
    """Wait until a calibration is known; who does not latch says it when somebody listens."""
    if publisher.qos_profile.durability == VOLATILE or (
        publisher.qos_profile.reliability == BEST_EFFORT
    ):
        here.spin_until(publisher.get_subscription_count)
        publisher.publish(info)
    here.spin_until(lambda: knows_calibration(here.lifter, info), 10.0)


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("durability", "reliability"),
    itertools.product([VOLATILE, LATCHED], [BEST_EFFORT, RELIABLE]),
    ids=lambda policy: policy.name.lower(),
)
def test_a_calibration_is_heard_from_publishers_of_every_qos(
    world: Callable[..., LifterWorld],
    capfd: pytest.CaptureFixture[str],
    durability: DurabilityPolicy,
    reliability: ReliabilityPolicy,
    late: bool,
) -> None:
    here, info = world(), calibration()
    if late:
        here.start()
    publisher = here.create_publisher(CameraInfo, "camera_info", qos(durability, reliability))
    publisher.publish(info)
    if not late:
        here.spin_for(0.3)  # nobody is there to hear it
        here.start()
    heard_once(here, publisher, info)
    # Who has said it is not asked again, and what he says later is heard, too.
    here.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(other := calibration(800.0))
    here.spin_until(lambda: knows_calibration(here.lifter, other), 10.0)
    assert "QoS" not in capfd.readouterr().err


def test_publishers_that_come_and_go_are_heard_without_a_warning(
    world: Callable[..., LifterWorld], capfd: pytest.CaptureFixture[str]
) -> None:
    here = world()
    here.start()

    def come(durability: DurabilityPolicy, focal: float) -> Any:
        """Return a new publisher whose calibration has been heard."""
        publisher = here.create_publisher(CameraInfo, "camera_info", qos(durability))
        publisher.publish(info := calibration(focal))
        heard_once(here, publisher, info)
        here.spin_until(lambda: publisher.get_subscription_count() == 1)
        return publisher

    here.destroy_publisher(come(LATCHED, 800.0))
    repeating = come(VOLATILE, 900.0)
    joining = here.create_publisher(CameraInfo, "camera_info", qos(LATCHED))
    here.spin_for(1.2)  # for longer than from one look at who publishes to the next
    here.destroy_publisher(repeating)
    joining.publish(info := calibration(1000.0))
    heard_once(here, joining, info)
    here.destroy_publisher(joining)
    come(LATCHED, 1100.0)
    assert "QoS" not in capfd.readouterr().err


def test_a_calibration_latched_while_the_lifter_was_inactive_counts_later(
    world: Callable[..., LifterWorld],
) -> None:
    """Each activation asks again: a calibration may have been said while nobody listened."""
    here = world()
    publisher = here.create_publisher(CameraInfo, "camera_info", qos(LATCHED))
    here.start()
    publisher.publish(first := calibration())
    heard_once(here, publisher, first)
    here.lifter.trigger_deactivate()
    here.spin_until(lambda: publisher.get_subscription_count() == 0)
    publisher.publish(second := calibration(700.0))
    here.lifter.trigger_activate()
    heard_once(here, publisher, second)


def test_bodies_that_were_tracked_before_the_lifter_came_are_heard(
    world: Callable[..., LifterWorld],
) -> None:
    m = pytest.importorskip("hri_msgs.msg", reason="needs hri_msgs")
    here = world(input="hri", keypoints_width=1280, keypoints_height=720)
    tracked = here.create_publisher(m.IdsList, "/humans/bodies/tracked", qos(LATCHED))
    tracked.publish(m.IdsList(header=Header(frame_id="camera"), ids=["anna"]))
    body = here.create_publisher(m.Skeleton2D, "/humans/bodies/anna/skeleton2d", 10)
    assert here.lifter.start()
    here.spin_until(lambda: body.get_subscription_count() == 1, 10.0)


def test_a_tracker_that_does_not_latch_its_list_is_heard_too(
    world: Callable[..., LifterWorld], capfd: pytest.CaptureFixture[str]
) -> None:
    m = pytest.importorskip("hri_msgs.msg", reason="needs hri_msgs")
    here = world(publish_tf="bodies", publish_hri=True)
    theirs = here.create_publisher(m.IdsList, "/humans/bodies/tracked", 10)
    position = here.create_publisher(m.IdsList, "/humans/bodies/anna/position", 10)
    here.start()
    here.spin_until(lambda: theirs.get_subscription_count() == 1)
    theirs.publish(m.IdsList(ids=["anna"]))
    others = here.lifter._cameras[0]._outputs._for_all[-1]._others
    here.spin_until(lambda: others.ids(()) == ["anna"], 10.0)
    assert "QoS" not in capfd.readouterr().err
    here.destroy_publisher(position)
