"""More frames and people than the node can lift, and the same for long."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from pstmo_ros.msg import People2D, Person2D
from pstmo_ros.torture.node_process import Resources
from pstmo_ros.torture.peer import Peer
from pstmo_ros.torture.stand import Outcome, Stand

CROWD, RATE = 64, 120.0
_SOAK_PEOPLE, _SOAK_RATE = 4, 60.0


def overload(stand: Stand) -> Outcome:
    """64 people at 120 frames a second: told on /diagnostics, bounded, over at once."""
    process, peer = stand.lifter(parameters={"max_people": str(CROWD)})
    sent = _stream(stand, peer, CROWD, RATE)
    status, values = peer.status()
    taken = int(values.get("frames received", "0"))
    lost = int(values.get("frames lost before the node", "0"))
    told = status is not None and status.level == status.WARN and "lost before" in status.message
    peer.spin(1.2)  # the crowd leaves
    began = time.monotonic()
    over = peer.is_answered() and process.is_alive
    result = (
        f"{taken} taken ({values.get('busy with a frame median (ms)', '?')} ms each), {lost} lost "
        f"before the node and {'told' if told else 'NOT TOLD'} on "
        f"/diagnostics; the first frame after it answered within "
        f"{(time.monotonic() - began) * 1e3:.0f} ms"
    )
    return Outcome(f"{sent} frames of {CROWD} people at {RATE:.0f} Hz", result, told and over)


class Sample(NamedTuple):
    """A soaking node at one moment."""

    seconds: float
    resources: Resources
    latency: float
    """Seconds from receipt to answer, median of the last 10 s, as /diagnostics has it."""


def soak(stand: Stand) -> Outcome:
    """4 people at 60 frames a second for as long as wanted: nothing grows."""
    process, peer = stand.lifter()
    samples: list[Sample] = []
    begin, sent, answered = time.monotonic(), 0, 0
    step = max(2.0, stand.seconds / 60)
    while stand.has_time and process.is_alive:
        slice_ = Stand(min(step, max(stand.seconds - (time.monotonic() - begin), 0.1)))
        with slice_:
            sent += _stream(slice_, peer, _SOAK_PEOPLE, _SOAK_RATE)
        answered += sum(bool(s.people) for s in peer.skeletons)
        peer.skeletons.clear()
        samples.append(_sample(begin, process.resources(), peer))
    if not process.is_alive or len(samples) < 3:
        return Outcome(f"{sent} frames", f"DEAD: {process.log[-300:]}", False)
    settled = samples[len(samples) // 3 :]
    growth = settled[-1].resources.memory - settled[0].resources.memory
    handles = settled[-1].resources.handles - settled[0].resources.handles
    latencies = [sample.latency * 1e3 for sample in samples]
    _, values = peer.status()
    taken, lost = (
        int(values.get(name, "0")) for name in ("frames received", "frames lost before the node")
    )
    result = (
        f"{answered} of {sent} answered, {lost} lost before the node and told; "
        f"{samples[0].resources}; at the end {samples[-1].resources}; growth in the last two "
        f"thirds {growth:+.1f} MB, {handles:+d} handles; median latency {min(latencies):.1f} to "
        f"{max(latencies):.1f} ms"
    )
    steady = growth < max(2.0, 0.001 * stand.seconds) and handles <= 0
    # The last messages may still be on their way.
    explained = abs(taken + lost - sent) < 10 + 0.01 * sent and answered > 0.95 * taken
    passed = steady and explained
    return Outcome(f"{stand.seconds / 60:.0f} min, {_SOAK_RATE:.0f} Hz", result, passed)


def _stream(stand: Stand, peer: Peer, people: int, rate: float) -> int:
    """Send a crowd at a rate until the time is over; return how many frames."""
    crowds = [_crowd(peer.frame(0), people, index) for index in range(10)]
    begin, sent = time.monotonic(), 0
    while stand.has_time:
        due = begin + sent / rate
        peer.spin(max(0.0, due - time.monotonic()))
        message = crowds[sent % len(crowds)]
        message.header.stamp = peer.get_clock().now().to_msg()
        peer.keypoints.publish(message)
        sent += 1
    peer.spin(0.3)
    return sent


def _crowd(message: People2D, people: int, seed: int) -> People2D:
    """Return a message of so many copies of its first person, here and there, who move."""
    first = message.people[0]
    points = np.asarray(first.points, np.float32).reshape(-1, 2)
    rng = np.random.default_rng(seed)
    places = np.linspace(-200, 200, people)
    message.people = [
        Person2D(
            id=f"c{number}",
            points=(points + [place, 0] + rng.normal(0, 1, 2)).astype(np.float32).ravel().tolist(),
            scores=first.scores,
        )
        for number, place in enumerate(places)
    ]
    return message


def _sample(begin: float, resources: Resources, peer: Peer) -> Sample:
    _, values = peer.status()
    latency = values.get("latency from receipt median (ms)", "nan")
    known = float(latency) / 1e3 if latency != "not known" else float("nan")
    return Sample(time.monotonic() - begin, resources, known)
