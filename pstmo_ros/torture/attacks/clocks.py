"""Time that jumps, stands still, repeats itself and comes to its end."""

from __future__ import annotations

import time

from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock

from pstmo_ros.torture.peer import RELIABLE, Peer
from pstmo_ros.torture.stand import AttackError, Outcome, Stand

FRAME = 33_000_000
"""Nanoseconds between two frames."""
_LOOP = 30
_LAST = 2**31 - 1


def bag_loops(stand: Stand) -> Outcome:
    """A recording that is played again and again under simulated time, which jumps back with it."""
    process, peer = stand.lifter(parameters={"use_sim_time": "true"})
    clock = peer.create_publisher(Clock, "/clock", RELIABLE)
    begin = 1_000 * 10**9
    messages = [peer.frame(begin + index * FRAME) for index in range(_LOOP)]
    first: list[bytes] = []
    loops = equal = 0
    while (stand.has_time or loops < 2) and process.is_alive:
        peer.skeletons.clear()
        for message in messages:
            clock.publish(Clock(clock=message.header.stamp))
            peer.spin(0.01)
            peer.keypoints.publish(message)
            peer.spin(0.01)
        peer.wait(lambda: sum(bool(s.people) for s in peer.skeletons) >= _LOOP, 3.0)
        answers = [serialize_message(s) for s in peer.skeletons if s.people]
        first = first or answers
        loops, equal = loops + 1, equal + (answers == first)
    result = (
        f"{equal} of {loops} loops answered with the first one's bits, {len(first)} frames each"
    )
    return Outcome(f"{loops} loops", result, equal == loops and len(first) == _LOOP)


def jumps(stand: Stand) -> Outcome:
    """Stamps that jump back and forth by up to their whole range."""
    process, peer = stand.lifter()
    done = answered = 0
    while stand.has_time and process.is_alive:
        stamp = int(stand.rng.integers(-(2**31), 2**31)) * 10**9
        for index in range(3):
            peer.keypoints.publish(peer.frame(stamp + index * FRAME))
        peer.spin(0.3)
        answered += peer.is_answered(stamp + 3 * FRAME)
        done += 1
    result = f"{answered} of {done} frames after a jump answered"
    return Outcome(f"{done} jumps", result, process.is_alive and answered == done > 0)


def end_of_stamps(stand: Stand) -> Outcome:
    """Stamps and clock at the end of 32-bit seconds, the checks of message fields switched on."""
    checked = {"ROS_PYTHON_CHECK_FIELDS": "1"}
    process, peer = stand.lifter(environment=checked)
    tried = 0
    for seconds in (_LAST, -(2**31)):
        for nanoseconds in (0, 999_999_999, 2**32 - 1):
            message = peer.frame(0)
            message.header.stamp = Time(sec=seconds, nanosec=nanoseconds)
            peer.keypoints.publish(message)
            peer.spin(1.3)  # longer than `expire`: what is said of silence lies beyond the end
            tried += 1
    works = process.is_alive and peer.is_answered()
    simulated, other = stand.lifter(parameters={"use_sim_time": "true"}, environment=checked)
    clock = other.create_publisher(Clock, "/clock", RELIABLE)
    for seconds in (_LAST - 1, _LAST):
        for nanoseconds in (0, 999_999_999):
            clock.publish(Clock(clock=Time(sec=seconds, nanosec=nanoseconds)))
            other.spin(0.3)
            tried += 1
    stamp = (_LAST - 1) * 10**9
    clock.publish(Clock(clock=Time(sec=_LAST - 1)))
    other.spin(0.3)
    ticks = simulated.is_alive and other.is_answered(stamp)
    result = f"stamps: {'answers' if works else 'DEAD'}; clock: {'answers' if ticks else 'DEAD'}"
    return Outcome(f"{tried} stamps and times", result, works and ticks)


def standing_stamps(stand: Stand) -> Outcome:
    """A driver without a clock: people without ids, the same stamp in every message."""
    process, peer = stand.lifter()
    start, sent = process.resources(), 0
    while stand.has_time and process.is_alive:
        message = peer.frame(0)
        for person in message.people:
            person.id = ""
            shift = stand.rng.uniform(-3000, 3000)
            person.points = [value + shift for value in person.points]
        peer.keypoints.publish(message)
        peer.spin(0.003)
        sent += 1
    if not process.is_alive:
        raise AttackError(process.log[-500:])
    end = process.resources()
    works = _is_told(peer) and peer.is_answered(time.time_ns())
    result = f"{start.memory:.0f} MB before, {end.memory:.0f} MB after, reported on /diagnostics"
    return Outcome(f"{sent} messages", result, works and end.memory < start.memory + 30)


def _is_told(peer: Peer) -> bool:
    _, values = peer.status()
    return int(values.get("dropped: repeated", "0")) > 0
