"""A node's choice of its refiner follows the machine's speed, and keeps steady."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="images need OpenCV")

from pstmo_core.detection import DetectorOptions, refiner  # noqa: E402
from pstmo_core.detection.pace import Pace  # noqa: E402
from pstmo_core.detection.refiner import RefinersInTime  # noqa: E402


class Machine:
    """A clock, and a network whose looks take as long as the machine's load has it."""

    def __init__(self) -> None:
        self.now, self.load = 0.0, 1.0

    def clock(self) -> float:
        return self.now

    def network(self, path: Path, threads: int) -> Machine:
        lightning = Machine()
        lightning.detect = lambda image, squares, twice=False: self._look(  # type: ignore[attr-defined]
            (0.004 if "lightning" in path.name else 0.012) * (1 + twice) * len(squares)
        )
        return lightning

    def _look(self, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        self.now += seconds * self.load
        return np.zeros((0, 17, 2)), np.zeros((0, 17))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    here = Machine()
    monkeypatch.setattr(refiner, "SinglePose", here.network)
    return here


def in_time(machine: Machine) -> RefinersInTime:
    return RefinersInTime(DetectorOptions().for_live(), machine.clock, 0.01)


def watched(refiners: RefinersInTime, looks: int) -> list[str]:
    """Look at one person so many times; return what is said, each time that it changes."""
    image, square = np.zeros((64, 64, 3), np.uint8), np.array([[32.0, 32, 32]])
    said = [refiners.describe()]
    for _ in range(looks):
        refiners.choose(1).detect(image, square)
        if refiners.describe() != said[-1]:
            said.append(refiners.describe())
    return said


def test_who_started_beside_others_gets_the_better_network_once_they_are_done(
    machine: Machine,
) -> None:
    calm = in_time(machine)
    machine.load = 5.0
    refiners = in_time(machine)
    assert refiners.choose(1).name != calm.choose(1).name == "thunder-twice"
    machine.load = 1.0
    before, after = watched(refiners, 3000)
    assert after == calm.describe() != before
    assert refiners.choose(1).name == "thunder-twice" and refiners.pace.now == pytest.approx(0.2)


def test_a_trial_of_one_network_that_was_disturbed_is_not_taken_at_its_word(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm, look = in_time(machine), machine._look
    for disturbed in (0.004, 0.012):  # lightning, thunder
        monkeypatch.setattr(
            machine, "_look", lambda s, slow=disturbed: look(s * (20 if s == slow else 1))
        )
        assert in_time(machine).choose(1).name in (calm.choose(1).name, "thunder")


def test_a_machine_that_gets_other_work_changes_to_a_faster_network(machine: Machine) -> None:
    refiners = in_time(machine)
    machine.load = 3.0
    assert len(watched(refiners, 3000)) == 2
    assert refiners.choose(1).name == "lightning-twice"


def test_a_load_that_comes_and_goes_changes_it_ever_more_rarely(machine: Machine) -> None:
    refiners = in_time(machine)
    changes = 0
    for turn in range(200):
        machine.load = 4.0 if turn % 2 else 1.0
        changes += len(watched(refiners, 150)) - 1
    assert changes <= 4


def test_looks_that_are_disturbed_now_and_then_and_small_changes_say_nothing() -> None:
    machine = Machine()
    pace = Pace(machine.clock)
    for look in range(6000):
        with pace.timing(0.01):
            machine.now += 0.01 * (20 if look % 3 else 1) * (1.0 if look < 3000 else 1.4)
    assert pace.now == 1.0
    with pace.timing(0.0):  # nobody was looked at
        machine.now += 1.0
    assert np.isfinite(pace.now)
