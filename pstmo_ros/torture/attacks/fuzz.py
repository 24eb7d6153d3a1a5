"""Messages, calibrations, images, parameters and transitions that nobody should send."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable

import numpy as np
from builtin_interfaces.msg import Time
from rcl_interfaces.msg import ParameterType, ParameterValue
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pstmo_ros.msg import People2D, Person2D
from pstmo_ros.torture.node_process import NodeProcess
from pstmo_ros.torture.peer import CYCLE_UP, RELIABLE, Peer
from pstmo_ros.torture.stand import AttackError, Outcome, Stand

BATCH = 40
"""Bad messages between two good ones."""
_TEXTS = ("", "coco17", "h36m17", "\x1b[2J\n", "ä" * 300, "x" * 100_000, "../../etc/passwd", "%n%s")
_NUMBERS = (0.0, -1.0, 1e-38, 1e6, 1e38, float("inf"), float("-inf"), float("nan"))
_SECONDS = (-(2**31), -1, 0, 1, 1_700_000_000, 2**31 - 1)
_SIZES = (0, 1, 640, 2**31, 2**32 - 1)


def bad_people(rng: np.random.Generator, good: People2D) -> People2D:
    """Return a message with something wrong in it, often several things."""
    message = People2D(
        header=good.header, layout=good.layout, width=good.width, height=good.height,
        people=list(good.people),
    )  # fmt: skip
    changes: list[Callable[[], object]] = [
        lambda: setattr(message, "layout", str(rng.choice(_TEXTS))),
        lambda: setattr(message, "width", int(rng.choice(_SIZES))),
        lambda: setattr(message, "height", int(rng.choice(_SIZES))),
        lambda: setattr(message.header, "frame_id", str(rng.choice(_TEXTS))),
        lambda: setattr(message.header, "stamp", _stamp(rng)),
        lambda: message.people.append(_person(rng)),
        lambda: message.people.extend(_person(rng) for _ in range(int(rng.geometric(0.03)))),
        lambda: message.people.extend(message.people),
        lambda: message.people.clear(),
    ]
    for change in rng.choice(len(changes), rng.integers(1, 4)):
        changes[change]()
    return message


def keypoints(stand: Stand) -> Outcome:
    """Fuzzed People2D, a good frame after each batch."""
    process, peer = stand.lifter()

    def send() -> None:
        peer.keypoints.publish(bad_people(stand.rng, peer.frame(time.time_ns())))

    return _batches(stand, process, peer, send, "messages")


def calibrations(stand: Stand) -> Outcome:
    """Fuzzed CameraInfo, each with a good frame of keypoints."""
    process, peer = stand.lifter()
    rng = stand.rng

    def send() -> None:
        message = CameraInfo(
            width=int(rng.choice(_SIZES)), height=int(rng.choice(_SIZES)),
            distortion_model=str(rng.choice((*_TEXTS, "plumb_bob", "equidistant"))),
            k=_values(rng, 9), p=_values(rng, 12), d=_values(rng, int(rng.integers(20))),
            binning_x=int(rng.choice(_SIZES)),
        )  # fmt: skip
        message.roi.x_offset, message.roi.width = (int(v) for v in rng.choice(_SIZES, 2))
        peer.calibrations.publish(message)
        peer.keypoints.publish(peer.frame(time.time_ns()))

    return _batches(stand, process, peer, send, "calibrations")


def parameters(stand: Stand) -> Outcome:
    """Parameters of any type and value while frames come."""
    process, peer = stand.lifter()
    names = [
        "look_ahead", "tolerance", "reorder", "reset", "expire", "min_score", "min_joints",
        "max_people", "max_rate", "focal", "height", "layout", "model", "threads", "qos_depth",
        "keypoints_topic", "marker_root", "use_sim_time_", "",
    ]  # fmt: skip
    before, done, unanswered = {"max_people": 16, "min_joints": 6}, 0, 0
    while stand.has_time and process.is_alive:
        answer = peer.set_parameter(str(stand.rng.choice(names)), _parameter(stand.rng))
        done, unanswered = done + 1, unanswered + (answer is None)
        peer.keypoints.publish(peer.frame(time.time_ns()))
    for name, value in before.items():
        number = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
        peer.set_parameter(name, number)
    for name in ("min_score", "height", "focal"):
        peer.set_parameter(name, ParameterValue(type=ParameterType.PARAMETER_DOUBLE))
    peer.set_parameter("layout", ParameterValue(type=ParameterType.PARAMETER_STRING))
    works = process.is_alive and peer.is_answered()
    result = f"{done - unanswered} answered, {'frames are answered again' if works else 'DEAD'}"
    return Outcome(f"{done} settings", result, works and not unanswered)


def transitions(stand: Stand) -> Outcome:
    """Transitions at random, allowed or not."""
    process, peer = stand.lifter()
    done = unanswered = 0
    while stand.has_time and process.is_alive:
        number = int(stand.rng.choice((0, 1, 2, 3, 4, 8, 60, 99, 255)))
        unanswered += None in peer.transit(number)
        done += 1
    peer.transit(4, 2)
    peer.transit(*CYCLE_UP)
    works = process.is_alive and peer.is_heard(5.0) and peer.is_answered()
    result = f"{done - unanswered} answered, {'active again' if works else 'DEAD'}"
    return Outcome(f"{done} transitions", result, works and not unanswered)


def images(stand: Stand) -> Outcome:
    """Images whose bytes, sizes and encodings do not fit, raw and compressed."""
    namespace = stand.namespace()
    peer = stand.peer(namespace, "detector")
    given = {"detector": "simulation", "image_transport": "raw"}
    process = stand.node(namespace, "detector_node", parameters=given)
    small = stand.namespace()
    compressed = {"detector": "simulation", "image_transport": "compressed"}
    other = stand.node(small, "detector_node", parameters=compressed)
    raw = peer.create_publisher(Image, "image_raw", RELIABLE)
    packed = peer.create_publisher(CompressedImage, f"{small}/image_raw/compressed", RELIABLE)
    found: list[People2D] = []
    for place in (namespace, small):
        peer.create_subscription(People2D, f"{place}/keypoints", found.append, RELIABLE)
    if not peer.wait(lambda: raw.get_subscription_count() and packed.get_subscription_count(), 60):
        raise AttackError(f"a detector did not start: {process.log[-300:]} {other.log[-300:]}")
    stand.start_clock()
    sent, start = 0, process.resources().memory
    while stand.has_time and process.is_alive and other.is_alive:
        raw.publish(_image(stand.rng))
        packed.publish(_compressed(stand.rng))
        sent += 2
        peer.spin(0.02)
    found.clear()
    good = Image(width=64, height=48, encoding="bgr8", step=192, data=array("B", bytes(192 * 48)))
    raw.publish(good)
    packed.publish(CompressedImage(format="png", data=array("B", _PNG)))
    works = peer.wait(lambda: len(found) >= 2)
    grown = process.resources().memory - start if process.is_alive else float("nan")
    result = f"both detectors {'answer' if works else 'DEAD'}, memory +{grown:.0f} MB"
    return Outcome(f"{sent} images", result, works and grown < 200)


def _batches(
    stand: Stand, process: NodeProcess, peer: Peer, send: Callable[[], None], what: str
) -> Outcome:
    start, sent = process.resources(), 0
    recoveries: list[float | None] = []
    while stand.has_time and process.is_alive:
        for _ in range(BATCH):
            send()
            sent += 1
            peer.spin(0.002)
        peer.calibrations.publish(CameraInfo())
        recoveries.append(peer.recovery())
    if not process.is_alive:
        return Outcome(f"{sent} {what}", f"DEAD: {process.log[-300:]}", False)
    times = [seconds for seconds in recoveries if seconds is not None]
    log = len(process.log) / 1e3
    result = (
        f"good frames answered after {len(times)} of {len(recoveries)} batches, within "
        f"{max(times, default=0.0):.1f} s at most; {start.memory:.0f} MB before, "
        f"{process.resources().memory:.0f} MB after; {log:.0f} kB of log"
    )
    return Outcome(f"{sent} {what}", result, 0 < len(times) == len(recoveries))


def _stamp(rng: np.random.Generator) -> Time:
    return Time(sec=int(rng.choice(_SECONDS)), nanosec=int(rng.choice((0, 999_999_999, 2**32 - 1))))


def _person(rng: np.random.Generator) -> Person2D:
    large = rng.random() < 0.01
    count = 50_000 if large else int(rng.choice((0, 1, 34, 34, 34, 500)))
    scores = 50_000 if large else int(rng.choice((0, 17, 17, 3, 100)))
    return Person2D(
        id=str(rng.choice(_TEXTS)) if large else str(rng.choice(("", "a", "b", "ä\n", "x" * 200))),
        points=array("f", rng.choice(_NUMBERS, count).astype(np.float32).tobytes()),
        scores=array("f", rng.choice(_NUMBERS, scores).astype(np.float32).tobytes()),
    )


def _values(rng: np.random.Generator, count: int) -> list[float]:
    usual = rng.uniform(0, 1000, count)
    return np.where(rng.random(count) < 0.3, rng.choice(_NUMBERS, count), usual).tolist()


def _parameter(rng: np.random.Generator) -> ParameterValue:
    return ParameterValue(
        type=int(rng.integers(0, 10)),
        bool_value=bool(rng.integers(2)),
        integer_value=int(rng.choice((-(2**63), -1, 0, 1, 5, 17, 10**6, 2**63 - 1))),
        double_value=float(rng.choice(_NUMBERS)),
        string_value=str(rng.choice(_TEXTS)),
        double_array_value=_values(rng, int(rng.integers(5))),
    )


def _image(rng: np.random.Generator) -> Image:
    encodings = ("bgr8", "rgb8", "mono16", "nv12", "yuv422", "bayer_rggb8", "32FC1", "x" * 10_000)
    length = int(rng.choice((0, 1, 9216, 100_000)))
    return Image(
        width=int(rng.choice((0, 1, 64, 65, 32_768, 2**32 - 1))),
        height=int(rng.choice((0, 1, 48, 49, 32_768, 2**32 - 1))),
        encoding=str(rng.choice(encodings)),
        step=int(rng.choice((0, 1, 192, 2**32 - 1))),
        is_bigendian=int(rng.integers(2)),
        data=array("B", rng.bytes(length)),
    )


def _compressed(rng: np.random.Generator) -> CompressedImage:
    """Return a JPEG or PNG of which some bytes are others, or that claims to be giant."""
    data = bytearray(rng.choice((_JPEG, _PNG)) if rng.random() < 0.9 else rng.bytes(200))
    if rng.random() < 0.3 and (header := data.find(b"\xff\xc0")) > 0:
        data[header + 5 : header + 9] = rng.bytes(4)
    for place in rng.integers(2, len(data), int(rng.integers(0, 20))):
        data[place] = int(rng.integers(256))
    return CompressedImage(format=str(rng.choice(_TEXTS)), data=array("B", bytes(data)))


def _encoded(kind: str) -> bytes:
    import cv2

    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    return bytes(cv2.imencode(kind, picture)[1])


_JPEG, _PNG = _encoded(".jpg"), _encoded(".png")
