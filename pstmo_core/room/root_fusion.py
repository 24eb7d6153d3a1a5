"""Fuses people's sizes, and thus their distances, from floor, depth, stated or average height.

A lifted skeleton that lies on its keypoints' rays is known up to its size. Each source measures the
size with a variance of its own; one filter per person combines them and keeps the height while no
source is available. The result changes slowly, so nobody jumps when a source appears or disappears.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from pstmo_core.room.size_health import AgreementFilter, SizeHealth
from pstmo_core.room.size_reading import SizeReading

#: What an assumed size costs: the deviation of adults' stature over its mean, women and men
#: together (0.057), and that of lifted skeletons' size from the mean (0.035).
STATURE_SPREAD = 0.067
#: The same where the height is given: what lifting and posture leave of it.
KNOWN_SPREAD = 0.025
#: Deviation, frame by frame, of a lifted skeleton's size from the person's.
_LIFTED_SPREAD = 0.018
#: Where learning begins: people are taken to differ more than adults do, for children are people.
_FIRST_SPREAD = 0.09
#: By how much a learned height may change, as a deviation a second (shoes, posture).
_DRIFT = 0.002
#: Seconds over which errors of one kind of reading are alike.
_WHITE_TIME, _STEADY_TIME = 0.4, 5.0
#: Metres between which people are tall: what is said otherwise was meant in another unit, and
#: readings that say otherwise are of something else.
SHORTEST, TALLEST = 0.4, 2.5
#: Readings up to this many deviations off have full weight, larger ones a square less.
_TRUSTED = 2.5
#: Seconds in which what comes out follows what is known, and how fast it may move people while it
#: does, metres per second: slower than they walk.
_EASE, _FASTEST = 0.5, 1.5
#: What that leaves of the variance of readings whose errors are alike for `_WHITE_TIME`.
_EASED = _WHITE_TIME / (2 * _EASE)
#: A person not seen for this long gets a root position independent of the last one, seconds.
_GAP = 1.0
#: A source speaks for a person until this long after its last reading, seconds.
_SPEAKS = 2.0


class RootSource(IntEnum):
    """What a person's distance rests on."""

    NONE = 0
    """Nothing: it is not known."""
    ASSUMED = 1
    """The size that the network gave, an average adult's."""
    DEPTH = 2
    """A depth image."""
    EXTERNAL = 3
    """Another node."""
    FLOOR = 4
    """Feet on a floor that the camera's pose is known to."""
    HEIGHT = 5
    """The height that was stated."""
    LEARNED = 6
    """The person's height, learned earlier from floor or depth."""


@dataclass(frozen=True)
class Sizes:
    """What is made of the sources for P people."""

    scale: np.ndarray
    """(P,), by which lifted skeletons and their distances are multiplied."""
    spread: np.ndarray
    """(P,), relative deviation of that."""
    source: np.ndarray
    """(P,) of `RootSource`."""
    moved: np.ndarray
    """(P,), by how much the logarithm of the distance changed since the last frame because more is
    known of the size."""


class RootFusion:
    """Keeps the heights of people, each in a row of arrays that their owner hands out.

    Args:
        rows: people that can be remembered.
        height: stated height of everybody in metres, 0 if none is stated.
    """

    def __init__(self, rows: int, height: float = 0.0) -> None:
        self._stated = np.log(height) if height > 0 else None
        self._height = np.zeros(rows)
        """Logarithm of what was learned."""
        self._variance: np.ndarray = np.full(rows, np.inf)
        self._steady = np.zeros(rows)
        """Variance of what does not average out."""
        self._shown = np.zeros(rows)
        """Logarithm of the height that came out last."""
        self._nudge = np.zeros(rows)
        """What the last frames' own readings added to that."""
        self._seen: np.ndarray = np.full(rows, -1, np.int64)
        self._spoke: np.ndarray = np.full((rows, 2), -1, np.int64)
        """When floor and depth told something last."""
        self._newest = 0
        self._floor, self._depth = AgreementFilter(), AgreementFilter()

    def forget(self, row: int) -> None:
        """Forget the person in a row."""
        self._variance[row] = np.inf
        self._seen[row] = -1
        self._spoke[row] = -1

    def inherit(self, row: int, other: int) -> None:
        """Let the person in a row be as tall as what was learned of another, if anything was."""
        if (self._spoke[other] >= 0).any():
            for values in (self._height, self._variance, self._steady, self._spoke):
                values[row] = values[other]

    def fuse(
        self,
        rows: np.ndarray,
        stamp: int,
        stature: np.ndarray,
        distance: np.ndarray,
        floor: SizeReading,
        depth: SizeReading,
    ) -> Sizes:
        """Take in a frame.

        Args:
            rows: (P,) of the people in it.
            stamp: nanoseconds; an older one than the last is taken as the same.
            stature: (P,) metres as lifted, NaN where it is not known.
            distance: (P,) metres at which people of that stature would be, NaN where not known.
            floor: what the floor tells.
            depth: what the depth image tells.
        """
        usable = np.isfinite(stature) & (stature > 0)
        lifted = np.log(np.where(usable, stature, 1.0))
        new = (self._seen[rows] < 0) | (stamp - self._seen[rows] > _GAP * 1e9)
        passed = np.clip((stamp - self._seen[rows]) / 1e9, 1e-3, _GAP)
        self._begin(rows, lifted)
        believed = []
        for column, (reading, agreement) in enumerate(((floor, self._floor), (depth, self._depth))):
            known = reading.known & usable
            tall = lifted + reading.growth
            told = replace(
                reading, known=known & (np.log(SHORTEST) < tall) & (tall < np.log(TALLEST))
            )
            off = self._learn(rows, passed, lifted, told)
            agreement.add(stamp, off[known], ~told.known[known])
            self._spoke[rows[told.known], column] = stamp
            believed.append(told)
        self._newest = stamp
        self._seen[rows] = np.maximum(stamp, self._seen[rows])
        growth, spread, moved = self._show(
            rows, lifted, distance, usable, new, passed, (believed[0], believed[1])
        )
        return Sizes(np.exp(growth), spread, self._sources(rows, stamp), moved)

    def health(self) -> SizeHealth:
        """Say how well the sources agree, as of the newest frame."""
        lately = (self._spoke >= 0) & (self._newest - self._spoke <= _SPEAKS * 1e9)
        heights = np.exp(self._height[lately.any(-1)])
        floor, depth = self._floor.at(self._newest), self._depth.at(self._newest)
        return SizeHealth(floor, depth, float(np.median(heights)) if len(heights) else np.nan)

    def _begin(self, rows: np.ndarray, lifted: np.ndarray) -> None:
        """Let who is unknown start from the stated height, or from what the network thinks."""
        first = np.isinf(self._variance[rows])
        untold = first | ((self._spoke[rows] < 0).all(-1))
        known = self._stated is not None
        self._height[rows[untold]] = self._stated if known else lifted[untold]
        self._variance[rows[first]] = (KNOWN_SPREAD if known else _FIRST_SPREAD) ** 2
        self._steady[rows[first]] = 0.0

    def _learn(
        self, rows: np.ndarray, passed: np.ndarray, lifted: np.ndarray, told: SizeReading
    ) -> np.ndarray:
        """Take in readings and return by how much (P,) they differed from what was known."""
        variance = self._variance[rows] + _DRIFT**2 * passed
        noise = told.white * np.maximum(1.0, _WHITE_TIME / passed)
        noise = noise + told.steady * np.maximum(1.0, _STEADY_TIME / passed)
        off = lifted + told.growth - self._height[rows]
        usual = _TRUSTED**2 * (variance + told.white + told.steady + _LIFTED_SPREAD**2)
        with np.errstate(invalid="ignore"):
            noise = noise * np.maximum(1.0, off**2 / usual)
            gain = np.where(told.known, variance / (variance + noise), 0.0)
        self._height[rows] += gain * off
        self._variance[rows] = (1 - gain) * variance
        steady = np.where(told.known, told.steady, 0.0)
        self._steady[rows] += gain * (steady - self._steady[rows])
        return off

    def _show(
        self,
        rows: np.ndarray,
        lifted: np.ndarray,
        distance: np.ndarray,
        usable: np.ndarray,
        new: np.ndarray,
        passed: np.ndarray,
        readings: tuple[SizeReading, SizeReading],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return growth, its deviation, and what knowledge alone has added to it; (P,) each."""
        stated = self._stated is not None
        told = (self._spoke[rows] >= 0).any(-1)
        known = told | stated
        steady = self._steady[rows]
        learned = np.maximum(self._variance[rows] - steady, 0.0) + _LIFTED_SPREAD**2
        nudge, left = _nudge(self._height[rows] - lifted, learned, steady, readings)
        ease = 1 - np.exp(-passed / _EASE)
        nudges = np.where(new, 0.0, self._nudge[rows])
        nudges = nudges + ease * (nudge - nudges)
        shown = self._shown[rows]
        shown = shown + np.where(new, 1.0, ease) * (self._height[rows] - shown)
        before = self._shown[rows] + self._nudge[rows]
        change = np.where(new, 0.0, shown + nudges - before)
        most = _FASTEST * passed / np.fmax(distance, 0.5)
        moved = np.where(known, np.clip(change, -most, most), 0.0)
        shown = np.where(known, shown + moved - change, lifted)
        self._shown[rows], self._nudge[rows] = shown, np.where(known, nudges, 0.0)
        growth = np.where(usable & known, shown - lifted + nudges, 0.0)
        untold = KNOWN_SPREAD if stated else STATURE_SPREAD
        return growth, np.where(told, np.sqrt(left), untold), moved

    def _sources(self, rows: np.ndarray, stamp: int) -> np.ndarray:
        told = (self._spoke[rows] >= 0).any(-1)
        speaks = (self._spoke[rows] >= 0) & (stamp - self._spoke[rows] <= _SPEAKS * 1e9)
        untold = RootSource.ASSUMED if self._stated is None else RootSource.HEIGHT
        return np.select(
            [speaks[:, 1], speaks[:, 0], told],
            [RootSource.DEPTH, RootSource.FLOOR, RootSource.LEARNED],
            untold,
        )


def _nudge(
    growth: np.ndarray,
    variance: np.ndarray,
    steady: np.ndarray,
    readings: tuple[SizeReading, SizeReading],
) -> tuple[np.ndarray, np.ndarray]:
    """Say what a frame's own readings change.

    Args:
        growth: (P,), what is known without them.
        variance: (P,) of that, as far as it averages out.
        steady: (P,), the variance of what does not.
        readings: of floor and depth image.

    Returns:
        What is added to the growth, and the variance that is left; (P,) each.
    """
    weights = 1 / (variance + steady)
    precision = 1 / variance
    added = np.zeros_like(growth)
    for reading in readings:
        off = np.where(reading.known, reading.growth - growth, 0.0)
        usual = _TRUSTED**2 * (variance + steady + reading.white + reading.steady)
        with np.errstate(invalid="ignore", divide="ignore"):
            trust = np.where(reading.known, 1 / np.maximum(1.0, off**2 / usual), 0.0)
            weight = np.where(reading.known, trust / (reading.white + reading.steady), 0.0)
            told = np.where(reading.known, trust / (_EASED * reading.white), 0.0)
        added += weight * off
        weights = weights + weight
        precision = precision + told
        steady = np.where(reading.known, np.minimum(steady, reading.steady), steady)
    return added / weights, steady + 1 / precision
