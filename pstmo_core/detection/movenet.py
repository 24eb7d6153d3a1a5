"""MoveNet: multipose searches for people at intervals, a single-person network follows each.

A known person is looked for around the keypoints in the previous image. This costs a few
milliseconds per person, gives small people the full resolution of a crop, and is more accurate than
multipose alone. Multipose searches for newcomers, and again whenever a known person is lost or two
tracks turn out to be one person.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pstmo_core.detection.base import Detections
from pstmo_core.detection.beyond_border import beyond_border
from pstmo_core.detection.lighting import lightened
from pstmo_core.detection.multipose import SIZES, Found, Multipose
from pstmo_core.detection.options import AUTO, DetectorOptions
from pstmo_core.detection.refiner import (
    Refiner,
    Refiners,
    RefinersInTime,
    least_seconds,
    named_refiners,
)
from pstmo_core.detection.same_person import (
    SAME,
    jumped_to_others,
    likeness,
    one_to_one,
    without_repeats,
)
from pstmo_core.detection.search_plan import SearchPlan, View
from pstmo_core.detection.single_pose import SEEN, squares_round, steadied

#: How sure multipose must be of a person: it gives people 0.3 to 0.8, and other things below 0.1.
PERSON_SCORE = 0.2
#: Likeness, to what multipose found, from which on the closer look is believed.
_CONFIRMED = 0.3
#: Likeness up to which two whom multipose tells apart are two: one may stand before the other.
_CLOSE = 0.75
#: Score from which on a search's point, outside of where a person was looked for, is believed.
_OUTSIDE = 0.3
#: Images after two became one in which the other is searched for.
_REUNION = 10
#: Images for which a point that jumped to another person's is not followed; then it is theirs.
_HELD = 3
#: Regular searches in a row that a person who is followed may be missing from.
_PATIENCE = 3
#: Number of joints over which the mean score is taken at least, where not all are shown.
_FEWEST_SHOWN = 8
#: Longest side of a person, in pixels of the search, from which on it should find the person.
_VISIBLE = 96
#: Seconds that a search may take, for which those who are followed wait, and the input's longest
#: side at which its time is taken.
_LONGEST_SEARCH, _TRIAL = 0.06, 256
#: What it is for is said: another detector is made for rendered people.
_FOR = "coco17, for real people (rendered ones: detector simulation)"


@dataclass(eq=False)
class _People:
    """Those who are followed, as the newest image shows them."""

    points: np.ndarray
    """(P, 17, 2) pixels."""
    scores: np.ndarray
    """(P, 17)."""
    squares: np.ndarray
    """(P, 3): where they were looked for; zeros for those whom multipose alone has seen."""
    missed: np.ndarray
    """(P,) regular searches in a row that did not find them."""
    held: np.ndarray
    """(P, 17): for how many images a point has been where it was before it jumped to another's."""

    @classmethod
    def nobody(cls) -> _People:
        none = Detections.nobody(17)
        return cls(
            none.points, none.scores, np.zeros((0, 3)), np.zeros(0, int), np.zeros((0, 17), int)
        )

    def __len__(self) -> int:
        return len(self.points)

    def take_from_outside(self, found: Found, matched: np.ndarray) -> None:
        """Take points from a search that were not seen, and lie where nobody had looked.

        Args:
            found: by the search, Q people.
            matched: (P, Q) who is who.
        """
        whose, which = np.nonzero(matched)
        square, points = self.squares[whose, None], found.points[which]
        outside = (np.abs(points - square[..., :2]) > square[..., 2:] / 2).any(-1)
        unseen = (self.scores[whose] < SEEN) & (square[..., 2] > 0)
        taken = outside & unseen & (found.scores[which] >= _OUTSIDE)
        self.points[whose] = np.where(taken[..., None], points, self.points[whose])
        self.scores[whose] = np.where(taken, found.scores[which], self.scores[whose])

    def of(self, which: np.ndarray) -> _People:
        """Return some of them."""
        parts = (self.points, self.scores, self.squares, self.missed, self.held)
        return _People(*(part[which] for part in parts))

    def and_new(self, points: np.ndarray, scores: np.ndarray) -> _People:
        """Return them and others, who have just come."""
        return _People(
            np.concatenate([self.points, points]),
            np.concatenate([self.scores, scores]),
            np.concatenate([self.squares, np.zeros((len(points), 3))]),
            np.concatenate([self.missed, np.zeros(len(points), int)]),
            np.concatenate([self.held, np.zeros((len(points), 17), int)]),
        )


class MovenetDetector:
    """Finds people's COCO keypoints in the images of one camera, in their order.

    Raises:
        DetectorError: if a file is missing or holds another network.
    """

    layout = "coco17"

    def __init__(self, options: DetectorOptions, clock: Callable[[], float] | None = None) -> None:
        threads = options.detector_threads
        self._multipose = Multipose(threads)
        self._refiners: Refiners | None = None
        self._least = options.person_score or PERSON_SCORE
        self._most = options.most_people
        self._plan = SearchPlan(
            size=options.input_size,
            every=options.search_every if options.refine else 1,
            tiles=options.search_tiles if options.refine else 1,
        )
        self._search_seconds = 0.0
        if clock is not None:
            self._search_seconds = self._timed_search(clock)
            self._plan.largest = _largest_in_time(self._search_seconds)
        if options.refine:
            if clock is not None and options.pose_model in AUTO:
                self._refiners = RefinersInTime(options, clock, self._search_seconds)
            else:
                self._refiners = named_refiners(options.pose_model, threads)
        self._people = _People.nobody()
        self._apart_for = _REUNION
        self._left_out = 0

    def reset(self) -> None:
        """See `Detector.reset`."""
        self._apart_for = _REUNION
        self._left_out = 0
        self._people = _People.nobody()
        self._plan.restart()
        if self._refiners is not None:
            self._refiners.restart()

    def detect(self, image: np.ndarray) -> Detections:
        """See `Detector.detect`; people are given in the order in which they came."""
        image = lightened(image)
        view = self._plan.next(image.shape[:2], self._people.points)
        if view.new_camera:
            self._people = _People.nobody()
        if self._refiners is None:
            found = self._search(image, view)
            kept = without_repeats(found.points, found.scores, found.sure)
            self._people = self._first_come(
                _People.nobody().and_new(found.points[kept], found.scores[kept])
            )
        else:
            if isinstance(self._refiners, RefinersInTime):
                pace = self._refiners.pace.now
                self._plan.largest = _largest_in_time(pace * self._search_seconds)
            self._follow(image, view, self._refiners.choose(len(self._people)))
        return Detections(self._people.points, self._people.scores, self._left_out)

    def describe(self) -> str:
        """See `Detector.describe`."""
        refined = "" if self._refiners is None else f", refined by {self._refiners.describe()}"
        return f"MoveNet multipose on ONNX Runtime, {_FOR}{refined}"

    def _timed_search(self, clock: Callable[[], float]) -> float:
        """Return what a search takes here at the trial's size."""
        image = np.zeros((_TRIAL * 3 // 4, _TRIAL, 3), np.uint8)
        return least_seconds(lambda: self._multipose.search(image, _TRIAL, self._least), clock)

    def _follow(self, image: np.ndarray, view: View, refiner: Refiner) -> None:
        before = len(self._people)
        people = self._looked_at_again(image, refiner)
        apart, self._apart_for = self._apart_for, self._apart_for + 1
        if apart < _REUNION:  # whom the closer look cannot tell apart, multipose may
            view = dataclasses.replace(view, part=(0, 0, *image.shape[:2]))
        if view.due or not before or len(people) < before or apart < _REUNION:
            found = self._search(image, view)
            people = self._reconciled(image, view, people, found, refiner)
            people = self._first_come(people)
            self._plan.note_crowd(view, found.may_miss and len(people) < self._most)
        self._people = people

    def _first_come(self, people: _People) -> _People:
        """Return as many as may be followed after a search."""
        self._left_out = max(len(people) - self._most, 0)
        return people.of(np.arange(len(people) - self._left_out))

    def _looked_at_again(self, image: np.ndarray, refiner: Refiner) -> _People:
        """Return those of the image before who are found in this one."""
        squares, enough = squares_round(self._people.points, self._people.scores, image.shape)
        if not enough.any():
            return _People.nobody()
        before = self._people.of(enough)
        squares = steadied(before.squares, squares[enough])
        people = _People(*refiner.detect(image, squares), squares, before.missed, before.held)
        beyond = beyond_border(people.points, people.scores, image.shape)
        jumped = jumped_to_others(people.points, people.scores, before.points)
        jumped &= before.held < _HELD
        people.held = np.where(jumped, before.held + 1, 0)
        people.points[jumped] = before.points[jumped]
        hidden = beyond | jumped
        people.scores[hidden] = 0
        shown = np.maximum((~hidden).sum(-1), _FEWEST_SHOWN)
        people = people.of(people.scores.sum(-1) / shown >= SEEN)
        once = without_repeats(people.points, people.scores)
        if not once.all():
            self._apart_for = 0
        return people.of(once)

    def _search(self, image: np.ndarray, view: View) -> Found:
        """Return whom multipose finds in the part of the image whose turn it is."""
        top, left, bottom, right = view.part
        found = self._multipose.search(image[top:bottom, left:right], view.size, self._least)
        points = found.points + np.array([left, top], np.float32)
        scores = found.scores.copy()
        scores[beyond_border(points, scores, image.shape)] = 0
        return Found(points, scores, found.sure)

    def _reconciled(
        self, image: np.ndarray, view: View, people: _People, found: Found, refiner: Refiner
    ) -> _People:
        """Return those who are followed, less those who are not there, and those who are new."""
        full = found.may_miss
        several = without_repeats(found.points, found.scores, found.sure, _CLOSE)
        found = Found(found.points[several], found.scores[several], found.sure[several])
        alike = likeness(people.points, people.scores, found.points, found.scores)
        matched = one_to_one(alike)
        people.take_from_outside(found, matched)
        new = ~matched.any(0)
        squares, enough = squares_round(found.points, found.scores, image.shape)
        new &= enough
        points, scores = refiner.detect(image, squares[new])
        scores[beyond_border(points, scores, image.shape)] = 0
        same = likeness(people.points, people.scores, points, scores) >= SAME
        # Whom the search shows but roughly, or cut by its tile's edge, the closer look recognises.
        rough = same & ~matched.any(1, keepdims=True)
        people.missed = np.where(
            (alike >= SAME).any(1) | rough.any(1),
            0,
            people.missed + (view.due & view.should_show(people.points, _VISIBLE) & ~full),
        )
        # In a crowd the closer look may have found a neighbour.
        seen = Detections(found.points[new], found.scores[new])
        right = np.diag(likeness(points, scores, seen.points, seen.scores)) >= _CONFIRMED
        right &= ~same.any(0)
        points = np.where(right[:, None, None], points, seen.points)
        scores = np.where(right[:, None], scores, seen.scores)
        others = ~rough.any(0)
        people = people.of(people.missed < _PATIENCE).and_new(points[others], scores[others])
        first_come = np.arange(len(people), 0, -1)
        return people.of(without_repeats(people.points, people.scores, first_come, _CLOSE))


def _largest_in_time(search_seconds: float) -> int:
    """Return the largest input size with which a search takes no longer than it may."""
    able = _TRIAL * (_LONGEST_SEARCH / max(search_seconds, 1e-6)) ** 0.5
    return max((size for size in SIZES if size <= able), default=SIZES[0])
