"""Two cameras in one room: whom both see is one person, who keeps the id from one to the other."""

from __future__ import annotations

import numpy as np

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.robot.merged_person import Sighting
from pstmo_core.robot.merging import Merged, Merger
from pstmo_core.runtime import Runtime
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter

VIEWS = {
    "front": View(1280, 720, 1000.0, (0.0, -4.5, 1.5), (0.0, 0.8, 0.9)),
    "side": View(1280, 720, 1000.0, (5.0, 0.8, 1.8), (0.0, 0.8, 0.9)),
}
FPS = 25.0


def see(view: View, lifter: StreamLifter, row: int, people: list[int]) -> list[Sighting]:
    """Lift some of the moving people as a camera sees them, under ids of its own."""
    rng = np.random.default_rng(row)
    points = view.project(view.to_camera(MovingPeople.shipped(2).joints(row / FPS)[people]))
    points = points + rng.normal(0, 2.0, points.shape)
    stamp = round(row / FPS * 1e9)
    frame = KeypointFrame(
        stamp, tuple(f"p{person}" for person in people), points.astype(np.float32),
        np.ones(points.shape[:2], np.float32), view.width, view.height, view.focal, view.pose,
    )  # fmt: skip
    (answer,) = lifter.push(frame)
    level = answer.in_axes(view.pose.rotation, view.pose.position)
    return [
        Sighting(stamp, name, level.roots.position[at], level.roots.covariance[at],
                 level.joints[at].astype(np.float64), level.confidence[at])
        for at, name in enumerate(level.ids)
    ]  # fmt: skip


def test_two_cameras_are_better_than_each_and_ids_outlive_a_camera(shipped: Runtime) -> None:
    lifters = {name: StreamLifter(shipped, StreamConfig()) for name in VIEWS}
    merger, single, both = Merger(), {name: [] for name in VIEWS}, []
    names: dict[int, set[str]] = {0: set(), 1: set()}
    last: list[Merged] = []
    for row in range(125):
        truth = MovingPeople.shipped(2).joints(row / FPS)[:, 0]
        for camera, view in VIEWS.items():
            # The front camera sees the people until the fourth second, the side camera from the
            # second on: in between both do.
            if (camera == "front" and row >= 100) or (camera == "side" and row < 50):
                continue
            sightings = see(view, lifters[camera], row, [0, 1])
            for at, sighting in enumerate(sightings):
                if 75 <= row < 100:
                    single[camera].append(np.linalg.norm(sighting.position - truth[at]))
            last = merger.take(camera, round(row / FPS * 1e9), sightings)
        assert len(last) == 2, row
        for person in last:
            who = int(np.linalg.norm(truth - person.position, axis=-1).argmin())
            names[who].add(person.name)
            if 75 <= row < 100:
                assert person.cameras == ("front", "side")
                both.append(np.linalg.norm(person.position - truth[who]))
    assert names == {0: names[0], 1: names[1]} and all(len(n) == 1 for n in names.values())
    assert names[0] != names[1]
    print({n: round(float(np.median(e)), 3) for n, e in single.items()}, np.median(both).round(3))
    assert np.median(both) < max(np.median(errors) for errors in single.values())
    assert np.median(both) < 0.15


def sighting(stamp: float, name: str, position: tuple[float, float, float]) -> Sighting:
    return Sighting(
        round(stamp * 1e9),
        name,
        np.array(position),
        0.01 * np.eye(3),
        np.zeros((17, 3)),
        np.ones(17),
    )


def test_who_comes_back_soon_is_the_same_and_who_comes_late_somebody_else() -> None:
    merger = Merger()
    (first,) = merger.take("a", 0, [sighting(0, "p1", (0, 0, 1))])
    assert not merger.take("a", 10**9, [])
    (again,) = merger.take("a", round(1.5e9), [sighting(1.5, "p2", (0.2, 0, 1))])
    assert again.name == first.name
    (late,) = merger.take("a", 10 * 10**9, [sighting(10, "p3", (0.2, 0, 1))])
    assert late.name != first.name


def test_two_people_of_one_camera_never_become_one() -> None:
    merger = Merger()
    near = [sighting(0, "p1", (0, 0, 1)), sighting(0, "p2", (0.3, 0, 1))]
    assert len(merger.take("a", 0, near)) == 2
    assert len(merger.take("b", 0, [sighting(0, "q1", (0.1, 0, 1))])) == 2


def test_fused_positions_are_surer_but_not_twice_as_sure() -> None:
    merger = Merger()
    merger.take("a", 0, [sighting(0, "p1", (0, 0, 1))])
    (person,) = merger.take("b", 0, [sighting(0, "q1", (0.1, 0, 1))])
    np.testing.assert_allclose(person.position, (0.05, 0, 1), atol=1e-9)
    assert 0.004 < person.covariance[0, 0] < 0.01


def test_whom_only_a_slow_camera_sees_is_there_in_every_answer() -> None:
    merger, behind = Merger(), 0.4
    counts = []
    for row in range(30):
        for camera, late, x in (("fast", 0.0, 0.0), ("slow", behind, 3.0)):
            stamp = round((10 + row / FPS - late) * 1e9)
            seen = Sighting(
                stamp, "p1", np.array([x, 0.0, 1.0]), 0.01 * np.eye(3), np.zeros((17, 3)),
                np.ones(17),
            )  # fmt: skip
            counts.append(len(merger.take(camera, stamp, [seen])))
    assert set(counts[1:]) == {2}


WALK = 1.3
"""Metres per second of somebody who walks."""


def walked(since: dict[str, float], behind: dict[str, float], apart: float = 0.0) -> list[set[str]]:
    """Return the names in each answer while somebody walks for 5 s.

    Args:
        since: camera -> from when on it sees them, seconds.
        behind: the same -> by how much it is later than the others.
        apart: metres by which the one whom the second camera sees is somewhere else.
    """
    merger, names = Merger(), []
    for row in range(125):
        for number, camera in enumerate(since):
            at = row / FPS - behind.get(camera, 0.0)
            if at >= since[camera]:
                place = (WALK * at, apart * number, 1.0)
                told = merger.take(camera, round(at * 1e9), [sighting(at, "p1", place)])
                names.append({person.name for person in told})
    return names


def test_a_camera_that_is_late_is_compared_with_where_people_were() -> None:
    names = walked({"fast": 0.0, "slow": 1.0}, {"slow": 0.8})
    assert set(map(len, names)) == {1} and len(set.union(*names)) == 1


def test_who_was_taken_for_two_becomes_the_one_who_was_there_first() -> None:
    names = walked({"fast": 0.0, "slow": -0.8}, {"slow": 0.8})
    assert len(names[2]) == 2, "the second camera's first sight is of before anybody was known"
    assert all(answer == names[0] for answer in names[100:]), "after two seconds"


def test_two_whom_different_cameras_see_stay_two() -> None:
    names = walked({"one": 0.0, "other": 0.0}, {}, apart=0.9)
    assert set(map(len, names[1:])) == {2}


def test_a_score_that_flickers_does_not_make_joints_tremble() -> None:
    merger, merged = Merger(), []
    for row in range(50):
        for camera, x in (("flickers", 0.3), ("sees", 0.0)):
            told = sighting(row / FPS, "p1", (0.0, 0.0, 1.0))
            told.joints[5:, 0] = x
            told.confidence[5:] = 1.0 if camera == "sees" else row % 2
            (person,) = merger.take(camera, told.stamp, [told])
        merged.append(person.joints[5:, 0])
    steps = np.abs(np.diff(merged[25:], axis=0))
    assert steps.max() < 0.01, "metres; the cameras are 0.3 m apart"
