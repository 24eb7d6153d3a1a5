"""What the detector says of its health: levels with reasons, and over DDS what images come to."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from bright_spot import BrightSpot, Darkroom, raw, spot
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from node_world import worlds
from sensor_msgs.msg import Image
from std_msgs.msg import String

from pstmo_ros import detector_diagnostics, faults, silence_log
from pstmo_ros.conversions import time_message
from pstmo_ros.detector_diagnostics import DetectorFacts, DetectorHealth, judge, status
from pstmo_ros.looks import LooksReport
from pstmo_ros.monitor import Monitor

SECOND = 1_000_000_000
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
FACTS = DetectorFacts("active", "a spot", "/image_raw", kind="Image", bad_image="it is blue")


def health(
    count: int = 90,
    after: float = 0.0,
    answers: int = 1,
    at_hand: float = 0.0,
    facts: DetectorFacts = FACTS,
    **recent: int,
) -> DetectorHealth:
    """A detector to which 30 images/s came, and none for some seconds since; it looks at each 3rd.

    Args:
        count: images that came.
        after: seconds since the last one.
        answers: of each look.
        at_hand: seconds since the present look began.
        facts: of the node.
        recent: drops by reason.
    """
    images, looks, now = Monitor(0), Monitor(0), 0
    for row in range(count):
        now = row * SECOND // 30
        images.add(now, 0)
        if row % 3 == 0:
            looks.add(now, answers, busy=0.05 * SECOND)
    now += round(after * SECOND)
    looked = LooksReport(looks.report(now), people=2, at_hand=at_hand)
    return DetectorHealth(facts, images.report(now), looked, Counter(recent), Counter(recent))


def facts(**others: object) -> DetectorFacts:
    return dataclasses.replace(FACTS, **others)


@pytest.mark.parametrize(
    ("state", "level", "words"),
    [
        (health(), OK, "active: 2 people, looks at 10.0 of 30.0 images/s, 50.0 ms each"),
        (health(replaced=60, crowded_images=9), OK, "active: 2 people, looks at 10.0"),
        (health(0), OK, "active: waits for images"),
        (health(1), OK, "active: 2 people, 50.0 ms each"),
        (health(facts=facts(state="inactive")), OK, "inactive: images are not looked at"),
        (health(after=3), WARN, "no images on /image_raw for 3 s: who publishes there is silent"),
        (health(after=3), WARN, "sends another type than Image (ros2 topic info -v)"),
        (health(0, after=4), WARN, "for 4 s, none since the node was activated"),
        (health(0, 4, facts=facts(publishers=0)), WARN, "does the camera's driver run"),
        (health(0, 4, facts=facts(kind="")), WARN, "is neither Image nor CompressedImage"),
        (health(facts=facts(waits_for_clock=True)), WARN, "nobody publishes /clock"),
        (health(image=3), WARN, "3 images of the last 10 s cannot be decoded, the newest because"),
        (health(image=3), WARN, "because it is blue"),
        (health(answers=0, image=30), ERROR, "30 images of the last 10 s cannot be decoded"),
        (health(several_cameras=3), WARN, "give each a topic and a detector of its own"),
        (health(detector=3), WARN, "dropped in the last 10 s: detector 3; the log says why"),
        (health(answers=0, detector=30), ERROR, "detector 30"),
        (health(internal=1), ERROR, "internal 1"),
        (health(at_hand=12.0, replaced=300), ERROR, "has been at one image for 12 s: it hangs"),
    ],
)
def test_a_level_comes_with_its_reason(state: DetectorHealth, level: bytes, words: str) -> None:
    given, sentence = judge(state)
    assert given == level
    assert words in sentence


def test_several_faults_are_all_told_at_the_highest_level() -> None:
    level, sentence = judge(health(after=3, several_cameras=2, internal=1))
    assert level == ERROR
    assert all(words in sentence for words in ("no images", "of its own", "internal 1"))


def test_what_is_usual_is_a_figure_and_no_drop() -> None:
    said = status("detector", health(replaced=60, crowded_images=9))
    values = {value.key: value.value for value in said.values}
    assert values["images replaced by newer ones"] == "60"
    assert values["images with more people than are followed"] == "9"
    assert not any(key.startswith("dropped") for key in values)


def test_who_was_seen_in_the_last_image_is_not_there_once_images_stop() -> None:
    values = {value.key: value.value for value in status("detector", health(after=3)).values}
    assert values["people"] == "0"


class Ward(Darkroom):
    """A detector node with a camera, and who reads its diagnostics and its log."""

    def __init__(self, spots: BrightSpot, topic: str = "image_raw", **given: object) -> None:
        super().__init__(spots, topic=topic, **given)
        self._arrays: list[DiagnosticArray] = self.listen(DiagnosticArray, "/diagnostics")
        self._said = self.listen_to_logs()

    def next_status(self) -> tuple[DiagnosticStatus, dict[str, str]]:
        """Return the next status that begins to be made from now on."""
        self._arrays.clear()
        self.spin_until(lambda: self._arrays)
        (told,) = self._arrays[0].status
        return told, {value.key: value.value for value in told.values}

    def status_with(self, key: str, value: str) -> tuple[DiagnosticStatus, dict[str, str]]:
        """Return the next status in which a key has a value."""
        found: list[tuple[DiagnosticStatus, dict[str, str]]] = []

        def is_there() -> bool:
            found[:] = [self.next_status()]
            return found[0][1].get(key) == value

        self.spin_until(is_there)
        return found[0]

    def status_that_says(self, words: str) -> DiagnosticStatus:
        """Return the next status whose message has some words."""
        found: list[DiagnosticStatus] = []

        def is_there() -> bool:
            found[:] = [self.next_status()[0]]
            return words in found[0].message

        self.spin_until(is_there)
        return found[0]

    def show(self, number: int, **fields: object) -> None:
        """Publish an image that is taken now."""
        image = raw(number, spot(number))
        image.header.stamp = time_message(self.get_clock().now().nanoseconds)
        for name, value in fields.items():
            setattr(image, name, value)
        self.images.publish(image)

    def told(self, words: str) -> int:
        """Say how many lines of the log have some words."""
        return sum(words in line for line in self._said)


world = worlds(Ward)


@pytest.fixture
def detector() -> BrightSpot:
    return BrightSpot()


def test_the_node_speaks_in_every_state_of_its_life(
    world: Callable[..., Ward], detector: BrightSpot
) -> None:
    here = world(detector)
    said, values = here.next_status()
    assert said.name == "detector: detecting"
    assert (said.level, values["state"]) == (OK, "unconfigured")
    assert values["detector"] == "none: unconfigured"
    here.node.trigger_configure()
    said, values = here.next_status()
    assert (said.level, said.message) == (OK, "inactive: images are not looked at")
    assert values["detector"] == "a bright spot"
    here.node.trigger_activate()
    said, values = here.next_status()
    assert (said.level, said.message) == (OK, "active: waits for images")
    here.node.trigger_deactivate()
    here.node.trigger_cleanup()
    assert here.next_status()[1]["state"] == "unconfigured"
    here.node.trigger_shutdown()
    assert here.next_status()[1]["state"] == "finalized"


def test_how_images_come_and_what_is_found_in_them_is_reported(
    world: Callable[..., Ward], detector: BrightSpot
) -> None:
    detector.seconds = 0.02
    here = world(detector)
    here.start()
    for number in range(1, 6):
        here.show(number)
        here.spin_until(lambda wanted=number: len(here.keypoints) == wanted)
    said, values = here.status_with("images looked at", "5")
    assert said.level == OK and said.message.startswith("active: 1 people, looks at ")
    assert (values["image topic"], values["image type"]) == ("/image_raw", "Image")
    assert (values["publishers of images"], values["people"]) == ("1", "1")
    assert (values["images received"], values["images that failed"]) == ("5", "0")
    assert 1 < float(values["input rate (Hz)"]) < 51
    assert float(values["age of the last image (s)"]) < 5
    busy = float(values["busy with an image median (ms)"])
    assert 20 <= busy <= float(values["latency from stamp median (ms)"]) < 5000


def test_images_that_newer_ones_replace_are_counted_and_no_fault(
    world: Callable[..., Ward], detector: BrightSpot
) -> None:
    here = world(detector)
    here.start()
    detector.wait.clear()
    here.show(0)
    here.spin_until(detector.looks.is_set)
    for number in range(1, 4):
        here.show(number)
        here.spin_for(0.1)
    detector.wait.set()
    here.spin_until(lambda: len(here.keypoints) == 2)
    said, values = here.status_with("images looked at", "2")
    assert said.level == OK
    assert (values["images received"], values["images replaced by newer ones"]) == ("4", "2")


def test_invalid_images_are_told_with_the_reason_and_faults_are_errors(
    world: Callable[..., Ward], detector: BrightSpot
) -> None:
    here = world(detector)
    here.start()
    here.show(1)
    here.spin_until(lambda: len(here.keypoints) == 1)
    here.show(2, encoding="32FC1")
    said, values = here.status_with("images that failed", "1")
    assert said.level == WARN
    assert "1 images of the last 10 s cannot be decoded, the newest because" in said.message
    assert "encoding is '32FC1', but must be one of" in said.message
    assert values["dropped: image"] == "1"
    detector.fault = RuntimeError("broken")
    here.show(3)
    said, values = here.status_with("images that failed", "2")
    assert said.level == ERROR and "internal 1" in said.message


def test_a_detector_that_hangs_is_an_error_while_it_does(
    world: Callable[..., Ward], detector: BrightSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector_diagnostics, "LONGEST_LOOK", 0.1)
    here = world(detector)
    here.start()
    detector.wait.clear()
    here.show(1)
    assert here.status_that_says("has been at one image for").level == ERROR
    detector.wait.set()
    here.spin_until(lambda: len(here.keypoints) == 1)
    assert "has been at one image" not in here.next_status()[0].message


def test_two_cameras_on_one_topic_are_a_warning(
    world: Callable[..., Ward], detector: BrightSpot
) -> None:
    here = world(detector)
    here.start()
    other = here.create_publisher(Image, "image_raw", 10)
    here.spin_until(lambda: other.get_subscription_count() == 1)

    def refused() -> bool:
        here.show(1)
        here.spin_for(0.03)
        other.publish(raw(2, spot(2)))
        return bool(here.node.drops.counts["several_cameras"])

    here.spin_until(refused)
    said = here.status_that_says("give each a topic and a detector of its own")
    assert said.level == WARN
    assert here.next_status()[1]["publishers of images"] == "2"


def test_images_that_stay_away_are_told_of_once_with_the_likely_reason(
    world: Callable[..., Ward], detector: BrightSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "SILENCE", 0.1)
    monkeypatch.setattr(silence_log, "LOGGED_SILENCE", 0.5)
    monkeypatch.setattr(silence_log, "LOGGED_START", 0.5)
    here = world(detector, topic="elsewhere")
    assert here.node.start()
    here.spin_until(lambda: here.told("nobody publishes there; does the camera's driver run") == 1)
    assert here.told("no images on /image_raw or /image_raw/compressed for") == 1
    assert here.next_status()[0].level == WARN
    here.images = here.create_publisher(Image, "image_raw", 10)
    here.spin_until(lambda: here.images.get_subscription_count() == 1)

    def speak() -> bool:
        here.show(1)
        return here.told("images come on /image_raw") == 1

    here.spin_until(speak)
    here.spin_until(lambda: here.told("does the camera still give images?") == 1)
    here.destroy_publisher(here.images)
    here.status_that_says("nobody publishes there")
    for _ in range(2):
        here.next_status()
    assert here.told("no images on /image_raw") == 2  # the second has the first's reason


def test_a_topic_of_something_else_and_a_clock_that_is_missing_are_named(
    world: Callable[..., Ward], detector: BrightSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "SILENCE", 0.1)
    here = world(detector, topic="elsewhere", image_topic="words", use_sim_time=True)
    words = here.create_publisher(String, "words", 10)
    assert here.node.start()
    said = here.status_that_says("published there is neither Image nor CompressedImage")
    assert said.level == WARN
    assert "use_sim_time is true, but nobody publishes /clock" in said.message
    here.destroy_publisher(words)
    here.status_that_says("is image_topic right?")
    late = here.create_publisher(Image, "words", 10)  # is found although time stands still
    here.spin_until(lambda: late.get_subscription_count() == 1)
