"""A steady load for a long time: nothing may grow, and each frame is accounted for."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable
from itertools import islice
from statistics import median

import numpy as np
from sensor_msgs.msg import CompressedImage

from pstmo_core.keypoints.clip import sample_video_path
from pstmo_core.lift.videos import video_images
from pstmo_ros.torture.attacks.load import crowd
from pstmo_ros.torture.node_process import NodeProcess
from pstmo_ros.torture.peer import RELIABLE, Peer
from pstmo_ros.torture.samples import Sample, write_samples
from pstmo_ros.torture.stand import AttackError, Outcome, Stand

PEOPLE, RATE, IMAGE_RATE = 4, 60.0, 10.0
_IMAGES = 40
"""Images of the video that are shown to and fro."""
_SAMPLES = 120
_LEAST_STEP = 2.0
"""Seconds between two samples, at least."""
_TOLD = 10
"""Messages that may still be on their way at the end."""
_GROWTH = 2.0
"""MB by which memory may grow once it has settled; the allocator takes and gives some."""


def soak(stand: Stand) -> Outcome:
    """People at a steady rate; the lifter answers each frame."""
    process, peer = stand.lifter()
    people, rate = stand.people or PEOPLE, stand.rate or RATE
    crowds = [crowd(peer.frame(0), people, index) for index in range(10)]

    def send(number: int) -> None:
        message = crowds[number % len(crowds)]
        message.header.stamp = peer.get_clock().now().to_msg()
        peer.keypoints.publish(message)

    return _soak(stand, process, peer, send, rate, f"{people} people")


def image_soak(stand: Stand) -> Outcome:
    """A real video as JPEGs at a steady rate, through detector and lifter in one process."""
    process, peer = stand.lifter(module="image_lifter")
    rate = stand.rate or IMAGE_RATE
    publisher = peer.create_publisher(CompressedImage, "image_raw/compressed", RELIABLE)
    if not peer.wait(publisher.get_subscription_count, 60.0):
        raise AttackError(f"nobody listens to images: {process.log[-500:]}")
    video = video_images(sample_video_path(), None).frames()
    images = [_message(image) for _, image in islice(video, _IMAGES)]

    def send(number: int) -> None:
        # To and fro, so that people do not jump where the video begins again.
        place = number % (2 * len(images))
        message = images[min(place, 2 * len(images) - 1 - place)]
        message.header.stamp = peer.get_clock().now().to_msg()
        publisher.publish(message)

    return _soak(stand, process, peer, send, rate, "images")


def _soak(
    stand: Stand,
    process: NodeProcess,
    peer: Peer,
    send: Callable[[int], None],
    rate: float,
    what: str,
) -> Outcome:
    samples: list[Sample] = []
    sent = answered = 0
    step = max(_LEAST_STEP, stand.seconds / _SAMPLES)
    stand.start_clock()
    begin = time.monotonic()
    while stand.has_time and process.is_alive:
        send(sent)
        sent += 1
        peer.spin(max(0.0, begin + sent / rate - time.monotonic()))
        now = time.monotonic() - begin
        if now >= (len(samples) + 1) * step and peer.statuses and process.is_alive:
            answered += _taken_out(peer)
            samples.append(_sample(now, process, peer, sent, answered))
            if stand.samples is not None:
                write_samples(stand.samples, samples)
    if not process.is_alive or len(samples) < 3:
        return Outcome(f"{sent} frames", f"DEAD: {process.log[-300:]}", False)
    peer.spin(0.5)
    _, values = peer.status()
    return judged(values, samples, sent, answered + _taken_out(peer), f"{what} at {rate:g} Hz")


def judged(
    values: dict[str, str], samples: list[Sample], sent: int, answered: int, what: str
) -> Outcome:
    """Return what came of it, from the lifter's last status and the samples."""
    taken, lost = (
        int(values.get(name, "0")) for name in ("frames received", "frames lost before the node")
    )
    settled = samples[len(samples) // 3 :]
    part = max(1, len(settled) // 4)
    before, after = settled[:part], settled[-part:]
    growth = median(s.memory for s in after) - median(s.memory for s in before)
    handles = max(s.handles for s in after) - max(s.handles for s in before)
    threads = max(s.threads for s in after) - max(s.threads for s in before)
    medians = [s.median for s in samples if math.isfinite(s.median)]
    last = samples[-1]
    result = (
        f"{taken} of {sent} taken, {lost} lost before the node and reported, {answered} answered; "
        f"{samples[0].memory:.0f} MB after {samples[0].seconds:.0f} s, {last.memory:.0f} MB at the "
        f"end; from the second third's beginning to the end {growth:+.1f} MB, {handles:+d} "
        f"handles, {threads:+d} threads; median latency {min(medians, default=math.nan):.1f} to "
        f"{max(medians, default=math.nan):.1f} ms"
    )
    steady = growth < _GROWTH and handles <= 0 and threads <= 0
    # A detector leaves out images that come while it is busy.
    explained = what.startswith("images") or abs(taken + lost - sent) < _TOLD + 0.01 * sent
    passed = steady and explained and answered > 0.95 * taken > 0
    return Outcome(f"{last.seconds / 60:.1f} min, {what}", result, passed)


def _taken_out(peer: Peer) -> int:
    """Return how many skeleton messages with people have come since the last call."""
    count = sum(bool(message.people) for message in peer.skeletons)
    peer.skeletons.clear()
    return count


def _sample(now: float, process: NodeProcess, peer: Peer, sent: int, answered: int) -> Sample:
    values = {value.key: value.value for value in peer.statuses[-1].values}
    peer.statuses.clear()

    def latency(part: str) -> float:
        text = values.get(f"latency from receipt {part} (ms)", "not known")
        return math.nan if text == "not known" else float(text)

    held = process.resources()
    return Sample(
        seconds=now,
        memory=held.memory,
        threads=held.threads,
        handles=held.handles,
        median=latency("median"),
        p99=latency("p99"),
        sent=sent,
        answered=answered,
    )


def _message(image: np.ndarray) -> CompressedImage:
    """Return an image (H, W, 3) uint8 BGR as a message without a stamp."""
    import cv2

    data = cv2.imencode(".jpg", image)[1].tobytes()
    return CompressedImage(format="jpeg", data=array("B", data))
