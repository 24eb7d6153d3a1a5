"""More frames and people than the node can lift."""

from __future__ import annotations

import time

import numpy as np

from pstmo_ros.msg import People2D, Person2D
from pstmo_ros.torture.peer import PATIENCE, Peer
from pstmo_ros.torture.stand import Outcome, Stand

CROWD, RATE = 64, 120.0
_PARTS = ("median", "p99")
_PEOPLE, _RATES = (1, 4, 16, CROWD), (10.0, 30.0, 60.0, RATE)
_KEPT_UP = 0.99
"""Share of the frames that must be answered for a rate to count as kept up with."""


def overload(stand: Stand) -> Outcome:
    """64 people at 120 frames per second: reported on /diagnostics, bounded, over at once."""
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
        f"before the node and {'reported' if told else 'NOT REPORTED'} on "
        f"/diagnostics; the first frame after it answered within "
        f"{(time.monotonic() - began) * 1e3:.0f} ms"
    )
    return Outcome(f"{sent} frames of {CROWD} people at {RATE:.0f} Hz", result, told and over)


def grid(stand: Stand) -> Outcome:
    """People by frames per second: what share is answered, and how late.

    Latencies are those of /diagnostics, of the last 10 s: with less than 10 s a load they are mixed
    with those of the load before.
    """
    process, peer = stand.lifter(parameters={"max_people": str(CROWD)})
    lines = ["| People | " + " | ".join(f"{rate:.0f} Hz" for rate in _RATES) + " |"]
    lines.append("|---|" + "---|" * len(_RATES))
    kept_up = []
    seconds = stand.seconds / (len(_PEOPLE) * len(_RATES))
    explained = True
    for people in _PEOPLE:
        cells, best = [], 0.0
        for rate in _RATES:
            before = _counts(peer.status()[1])
            with Stand(seconds) as part:
                sent = _stream(part, peer, people, rate)
            values = _when_counted(peer, sent + sum(before))
            taken, lost = (now - then for now, then in zip(_counts(values), before, strict=True))
            explained &= taken + lost == sent
            share = min(taken / max(sent, 1), 1.0)
            median, p99 = (values.get(f"latency from receipt {p} (ms)", "?") for p in _PARTS)
            cells.append(f"{share:.0%}, {median} / {p99} ms")
            best = rate if share >= _KEPT_UP and sent >= _KEPT_UP * rate * seconds else best
        lines.append(f"| {people} | " + " | ".join(cells) + " |")
        kept_up.append(f"{people} people at {best:.0f} Hz" if best else f"{people} people at none")
    told = "was reported as lost" if explained else "was NOT ALL reported as lost"
    result = f"kept up with {', '.join(kept_up)}; what was not taken {told}"
    peer.spin(1.2)  # the crowd leaves: it took all places
    passed = explained and process.is_alive and peer.is_answered()
    return Outcome(f"{len(_PEOPLE) * len(_RATES)} loads", result, passed, "\n".join(lines))


def _counts(values: dict[str, str]) -> tuple[int, int]:
    """Return how many frames the lifter took, and how many it knows to be lost."""
    return int(values.get("frames received", 0)), int(values.get("frames lost before the node", 0))


def _when_counted(peer: Peer, frames: int) -> dict[str, str]:
    """Wait until the lifter has taken so many frames or knows them to be lost.

    What it has not lifted yet is neither, and under load that can take seconds.

    Returns:
        The values of its last status.
    """
    end = time.monotonic() + 4 * PATIENCE
    while True:
        values = peer.status()[1]
        if sum(_counts(values)) >= frames or time.monotonic() > end:
            return values


def _stream(stand: Stand, peer: Peer, people: int, rate: float) -> int:
    """Send a crowd at a rate until the time is over, and one frame more; return how many frames.

    Frames that were lost are counted when the next one comes: the last one comes after a pause.
    """
    crowds = [crowd(peer.frame(0), people, index) for index in range(10)]
    begin, sent = time.monotonic(), 0

    def send() -> None:
        message = crowds[sent % len(crowds)]
        message.header.stamp = peer.get_clock().now().to_msg()
        peer.keypoints.publish(message)

    while stand.has_time:
        peer.spin(max(0.0, begin + sent / rate - time.monotonic()))
        send()
        sent += 1
    peer.spin(0.3)
    send()
    return sent + 1


def crowd(message: People2D, people: int, seed: int) -> People2D:
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
