"""People who come back get their ids back, strangers do not, on real motion and noisy keypoints."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.keypoints.tracking import Tracker, TrackerConfig
from pstmo_core.room.root_fusion import RootSource
from pstmo_core.runtime import Runtime
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter
from pstmo_core.streaming.returning import Returning
from pstmo_core.streaming.root import Roots
from pstmo_core.streaming.skeleton_frame import SkeletonFrame

VIEW = View(1280, 720, 700.0, position=(0.3, -4.5, 1.6), target=(0.0, 1.0, 0.8))
FPS = 12.5
MOVING = MovingPeople.shipped(3)


@dataclass(frozen=True)
class Gone:
    """Who of the moving people is out of sight, and how much larger they come back."""

    person: int
    since: float
    until: float
    larger: float = 1.0


def watch(
    runtime: Runtime, people: list[int], gone: list[Gone], seconds: float, remember: float = 10.0
) -> tuple[list[dict[int, str]], list[SkeletonFrame]]:
    """Return the id that each of the moving people has in each frame, and the answers."""
    rng, config = np.random.default_rng(6), StreamConfig()
    lifter, returning = StreamLifter(runtime, config), Returning(remember)
    tracker = Tracker(TrackerConfig(expire=config.expire))
    ids, answers = [], []
    for row in range(round(seconds * FPS)):
        time, there, seen = row / FPS, [], []
        joints = MOVING.joints(time)
        for person in people:
            body = joints[person]
            for each in gone:
                if each.person == person and time >= each.until:
                    spot = body.mean(0) * (1, 1, 0)
                    body = spot + each.larger * (body - spot)
            if not any(g.person == person and g.since <= time < g.until for g in gone):
                there.append(person)
                seen.append(VIEW.project(VIEW.to_camera(body)) + rng.normal(0, 2.0, (17, 2)))
        points = np.array(seen, np.float32).reshape(-1, 17, 2)
        scores = np.ones(points.shape[:2], np.float32)
        stamp = round(time * 1e9)
        tracked = tracker.identify(stamp, points, scores > 0)
        frame = KeypointFrame(stamp, tracked, points, scores, 1280, 720, VIEW.focal, VIEW.pose)
        for answer in lifter.push(frame):
            answer, again = returning.recognise(answer, VIEW.pose)
            for new, old in again:
                lifter.same(new, old)
            assert len(set(answer.ids)) == len(answer.ids)
            named = dict(zip(tracked, there, strict=True))
            now = [name for name in tracked if returning.name_of(name) in answer.ids]
            ids.append({named[name]: returning.name_of(name) for name in now})
            answers.append(answer)
    return ids, answers


def test_who_was_out_of_sight_for_seconds_is_known_and_as_tall_as_before(shipped: Runtime) -> None:
    ids, answers = watch(shipped, [0, 2], [Gone(2, 3.0, 7.0)], 8.0)
    assert ids[-1] == ids[30]
    assert len({name for each in ids for name in each.values()}) == 2
    row = next(row for row, each in enumerate(ids) if row > 40 and 2 in each)
    back = answers[row + 1]
    at = back.ids.index(ids[-1][2])
    assert back.roots.source[at] in (RootSource.LEARNED, RootSource.FLOOR)


def test_two_who_come_back_at_once_are_not_mixed_up(shipped: Runtime) -> None:
    ids, _ = watch(shipped, [1, 2], [Gone(1, 3.0, 6.0), Gone(2, 3.2, 6.0)], 7.0)
    before, after = ids[30], ids[-1]
    assert after[1] != before[2] and after[2] != before[1]
    assert after == before


def test_a_child_where_an_adult_was_is_somebody_else(shipped: Runtime) -> None:
    ids, _ = watch(shipped, [2], [Gone(2, 3.0, 6.0, larger=0.65)], 7.0)
    assert ids[-1][2] != ids[30][2]


def test_nobody_is_remembered_for_longer_than_asked(shipped: Runtime) -> None:
    gone = [Gone(2, 3.0, 7.0)]
    for remember, known in ((2.0, False), (0.0, False)):
        ids, _ = watch(shipped, [2], gone, 8.0, remember)
        assert (ids[-1][2] == ids[30][2]) is known


def test_time_that_jumps_back_while_somebody_is_seen_forgets_names_only(shipped: Runtime) -> None:
    _, answers = watch(shipped, [0], [], 1.0)
    returning = Returning(10.0)
    for stamp in (100, 2**31, -(2**31), 0, 2**31 - 1):
        answer, _ = returning.recognise(replace(answers[-1], stamp=stamp * 10**9))
        assert answer.ids == answers[-1].ids


def test_who_bears_their_own_name_keeps_it_when_two_claim_it(shipped: Runtime) -> None:
    _, answers = watch(shipped, [2], [], 2.0)
    returning, one = Returning(10.0), answers[-1]
    returning.recognise(replace(one, ids=("a",), stamp=0), VIEW.pose)
    known, again = returning.recognise(replace(one, ids=("b",), stamp=10**9), VIEW.pose)
    assert (known.ids, again) == (("a",), [("b", "a")])
    both, _ = returning.recognise(twice(one, ("b", "a"), 2 * 10**9), VIEW.pose)
    assert both.ids == ("b", "a")


def twice(answer: SkeletonFrame, ids: tuple[str, str], stamp: int) -> SkeletonFrame:
    """Return an answer of one person as one of two."""
    joints, confidence, observed, position, covariance, source = (
        np.repeat(part, 2, 0)
        for part in (
            answer.joints, answer.confidence, answer.observed, answer.roots.position,
            answer.roots.covariance, answer.roots.source,
        )
    )  # fmt: skip
    roots = Roots(position, covariance, source)
    return SkeletonFrame(stamp, stamp, ids, joints, confidence, observed, roots)
