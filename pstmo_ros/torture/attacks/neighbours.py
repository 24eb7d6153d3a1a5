"""Publishers that die, subscribers that come late, and others of the same name."""

from __future__ import annotations

import functools
import signal
import time

from rclpy.qos import DurabilityPolicy, QoSProfile

from pstmo_ros.msg import People2D, SkeletonLayout, Skeletons3D
from pstmo_ros.torture.peer import RELIABLE
from pstmo_ros.torture.stand import Outcome, Stand

_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def publisher_death(stand: Stand) -> Outcome:
    """A source is killed in mid-stream; people must leave, and the next source be answered."""
    process, peer = stand.lifter()
    namespace = peer.get_namespace()
    deaths = left = back = 0
    while (stand.has_time or not deaths) and process.is_alive:
        peer.skeletons.clear()
        player = stand.node(namespace, "keypoint_player", parameters={"loop": "true"})
        back += peer.wait(lambda: sum(bool(s.people) for s in peer.skeletons) > 10, 30.0)
        player.signal(signal.SIGKILL)
        player.wait()
        deaths += 1
        left += peer.wait(lambda: bool(peer.skeletons) and not peer.skeletons[-1].people, 5.0)
    result = f"{left} times everybody left within 5 s, {back} times the next source was answered"
    return Outcome(f"{deaths} deaths", result, left == back == deaths)


def late_subscribers(stand: Stand) -> Outcome:
    """Subscribers that come and go while frames are lifted."""
    process, peer = stand.lifter()
    came = layouts = served = 0
    while stand.has_time and process.is_alive:
        heard: list[Skeletons3D] = []
        latched: list[SkeletonLayout] = []
        one = peer.create_subscription(Skeletons3D, "skeletons", heard.append, RELIABLE)
        other = peer.create_subscription(
            SkeletonLayout, "skeleton_layout", latched.append, _LATCHED
        )
        layouts += peer.wait(functools.partial(len, latched))
        end = time.monotonic() + 5
        while not heard and time.monotonic() < end:
            peer.is_answered()
        served += bool(heard)
        peer.destroy_subscription(one)
        peer.destroy_subscription(other)
        came += 1
    result = f"{layouts} got the layout, {served} got skeletons"
    return Outcome(f"{came} subscribers", result, layouts == served == came > 0)


def two_publishers(stand: Stand) -> Outcome:
    """Two sources on one topic, one of them with stamps an hour old."""
    process, peer = stand.lifter()
    second = peer.create_publisher(People2D, "keypoints", RELIABLE)
    peer.wait(second.get_subscription_count)
    sent = 0
    while stand.has_time and process.is_alive:
        now = time.time_ns()
        peer.keypoints.publish(peer.frame(now))
        second.publish(peer.frame(now - 3600 * 10**9))
        sent += 2
        peer.spin(0.03)
    status, values = peer.status()
    refused = int(values.get("dropped: several_cameras", "0"))
    told = status is not None and status.level != status.OK
    peer.destroy_publisher(second)
    peer.spin(0.5)
    works = process.is_alive and peer.is_answered()
    result = f"only one was lifted, {refused} of the other reported; answered when one was gone"
    return Outcome(f"{sent} messages", result, works and told and refused > sent // 4)


def namesakes(stand: Stand) -> Outcome:
    """A second lifter of the same name in the same namespace comes and is killed."""
    process, peer = stand.lifter()
    second = stand.node(peer.get_namespace())
    peer.wait(lambda: peer.keypoints.get_subscription_count() == 2, 40.0)
    both = peer.is_answered() and process.is_alive and second.is_alive
    second.signal(signal.SIGKILL)
    second.wait()
    works = process.is_alive and peer.is_answered()
    result = f"both {'answer' if both else 'DO NOT ANSWER'}, the first one after the other's death"
    return Outcome("1 namesake", result, both and works)
