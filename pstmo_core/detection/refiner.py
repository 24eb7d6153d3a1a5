"""The network that refines each person: MoveNet lightning or thunder, or one from a file.

Thunder is more accurate and slower; each can look twice. Recordings get thunder that looks twice.
Live images get what the machine can do in time for as many people as there are: what each takes is
measured when the detector is loaded, and watched from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pstmo_core.detection.base import DetectorError
from pstmo_core.detection.network_file import WEIGHTS
from pstmo_core.detection.options import AUTO, REFINERS, DetectorOptions
from pstmo_core.detection.pace import Pace
from pstmo_core.detection.single_pose import SinglePose

_TWICE = "-twice"
_FILES = {name: WEIGHTS / f"movenet_{name.removesuffix(_TWICE)}.onnx" for name in REFINERS}
#: Images a second that must be left, and the share of the time that is the detector's: the rest is
#: for decoding, lifting and whatever else runs.
_LEAST_RATE, _SHARE = 15.0, 0.75
#: Seconds that each person costs besides: lifting, messages, and waiting while a search is made.
#: Without it, two people on two cores got answers that were late, or fewer than 15 per second.
_BESIDES = 0.012
#: Least and most that thunder takes for what takes lightning 1; measured 2.7 on a calm machine.
_THUNDER = (2.2, 4.0)
#: Images after which fewer people are believed to be fewer.
_CALM = 15
#: How often something is timed: at least, at most, and after how many seconds no more.
_FEWEST_TRIALS, _MOST_TRIALS, _TRIAL_TIME = 3, 20, 0.4
#: Side of the image that is timed, pixels; what it shows does not change the time.
_TRIAL = 256


@dataclass(frozen=True, eq=False)
class Refiner:
    """A network for one person and how it is used."""

    network: SinglePose
    name: str
    twice: bool = False
    """Whether it looks at each person twice."""
    seconds: float = 0.0
    """What a person takes here, where that was measured."""
    pace: Pace | None = None
    """Watches what people take now, where that was measured."""

    def detect(self, image: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `SinglePose.detect`."""
        if self.pace is None:
            return self.network.detect(image, squares, self.twice)
        with self.pace.timing(self.seconds * len(squares)):
            return self.network.detect(image, squares, self.twice)


class Refiners:
    """Refiners of which one is chosen by the number of people, the most accurate first.

    Args:
        choices: each, and for how many people it is in time; the last serves any number.
        why: the reason for the choice, for the user.
    """

    def __init__(self, choices: Sequence[tuple[Refiner, int]], why: str = "") -> None:
        self._choices, self._why = list(choices), why
        self.restart()

    def restart(self) -> None:
        """Forget how many people there were."""
        self._people, self._fewer_for = 0, 0

    def choose(self, people: int) -> Refiner:
        """Return the refiner for an image of some people.

        Two networks place joints differently, so someone who is seen now and then changes nothing.
        """
        self._fewer_for = 0 if people >= self._people else self._fewer_for + 1
        if people > self._people or self._fewer_for > _CALM:
            self._people, self._fewer_for = people, 0
        fast = (refiner for refiner, most in self._choices if most >= self._people)
        return next(fast, self._choices[-1][0])

    def describe(self) -> str:
        """Say which there are, for how many people, and why."""
        if len(self._choices) == 1:
            return f"MoveNet {self._choices[0][0].name}{self._why}"
        *others, last = self._choices
        said = [f"{refiner.name} for {_people(most)}" for refiner, most in others]
        return f"MoveNet {', '.join([*said, f'{last[0].name} for more'])}{self._why}"


def named_refiners(pose_model: str, threads: int) -> Refiners:
    """Load the network of a name, `auto` and nothing being the most accurate, or of a file.

    Raises:
        DetectorError: if there is no such file, or it holds another network.
    """
    name = REFINERS[-1] if pose_model in AUTO else pose_model
    path = _FILES.get(name, Path(name))
    if not path.is_file():
        raise DetectorError(
            f"{name}: no such file; pose_model of the detector movenet is auto, "
            f"{', '.join(REFINERS)} or the path of an ONNX file"
        )
    name = name if name in _FILES else path.name
    refiner = Refiner(SinglePose(path, threads), name, name.endswith(_TWICE) and name in REFINERS)
    return Refiners([(refiner, 0)])


class RefinersInTime(Refiners):
    """The refiners that this machine has the time for; others, once its speed has changed.

    Args:
        options: those of the detector.
        clock: returns seconds.
        search_seconds: what a search for people takes here.
    """

    def __init__(
        self, options: DetectorOptions, clock: Callable[[], float], search_seconds: float
    ) -> None:
        self.pace = Pace(clock)
        self._options, self._search_seconds = options, search_seconds
        self._measured = _measured(options.detector_threads, clock, self.pace)
        self._chosen_at = self.pace.now
        super().__init__(*self._in_time())

    def choose(self, people: int) -> Refiner:
        """See `Refiners.choose`."""
        if self.pace.now != self._chosen_at:
            self._chosen_at = self.pace.now
            self._choices, self._why = self._in_time()
        return super().choose(people)

    def _in_time(self) -> tuple[list[tuple[Refiner, int]], str]:
        pace, every = self.pace.now, self._options.most_people
        left = _SHARE / _LEAST_RATE - pace * self._search_seconds / self._options.search_every
        choices: list[tuple[Refiner, int]] = []
        times = []
        for refiner in self._measured:
            seconds = pace * refiner.seconds
            most = min(max(int(left / (seconds + _BESIDES)), 0), every)
            times.append(f"{refiner.name} {seconds * 1e3:.0f} ms")
            if most > (choices[-1][1] if choices else 0) or refiner.name == REFINERS[0]:
                choices.append((refiner, most))
            if most == every:
                break
        return choices, f": a person takes {', '.join(times)} here"


def _measured(threads: int, clock: Callable[[], float], pace: Pace) -> list[Refiner]:
    """Load all refiners, the most accurate first, and take their time."""
    files = dict.fromkeys(_FILES.values())
    networks = {file: SinglePose(file, threads) for file in files}
    times = _plausible({file: _seconds(network, clock) for file, network in networks.items()})
    return [
        Refiner(
            networks[file],
            name,
            twice=name.endswith(_TWICE),
            seconds=times[file] * (2 if name.endswith(_TWICE) else 1),
            pace=pace,
        )
        for name, file in reversed(_FILES.items())
    ]


def _plausible(times: dict[Path, float]) -> dict[Path, float]:
    """Return the seconds of both networks without what cannot be but a disturbance of one."""
    lightning, thunder = (times[_FILES[name]] for name in ("lightning", "thunder"))
    least, most = _THUNDER
    return {
        _FILES["lightning"]: min(lightning, thunder / least),
        _FILES["thunder"]: min(thunder, lightning * most),
    }


def _people(count: int) -> str:
    return "one person" if count == 1 else f"up to {count} people"


def least_seconds(action: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the time that an action takes on a machine that does nothing else.

    While nodes start, others start too: what takes little time is tried more often.
    """
    times: list[float] = []
    while len(times) < _FEWEST_TRIALS or (len(times) < _MOST_TRIALS and sum(times) < _TRIAL_TIME):
        began = clock()
        action()
        times.append(clock() - began)
    return min(times)


def _seconds(network: SinglePose, clock: Callable[[], float]) -> float:
    image = np.zeros((_TRIAL, _TRIAL, 3), np.uint8)
    square = np.array([[_TRIAL / 2, _TRIAL / 2, _TRIAL]])
    return least_seconds(lambda: network.detect(image, square), clock)
