"""Feet in contact with the floor are found, and held in place where that is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.floor import ANKLES
from pstmo_core.room.foot_contact import FootContact
from pstmo_core.room.held_feet import HeldFeet
from pstmo_core.room.leg_bending import LEGS, bend_legs
from pstmo_core.runtime import Runtime
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter

FPS = 25.0
VIEW = View(1280, 720, 1000.0, position=(0.3, -4.2, 1.5), target=(0.0, 0.0, 0.9))
FEET = np.array(ANKLES)
FRAMES, SETTLED = 250, 50


def world(people: int = 2) -> np.ndarray:
    """Return people (F, P, 17, 3) who walk, metres, world."""
    moving = MovingPeople.shipped(people)
    return np.stack([moving.joints(row / FPS) for row in range(FRAMES)])


def standing(bodies: np.ndarray) -> np.ndarray:
    """Return which ankles (F, P, 2) of true people (F, P, 17, 3) stand: low, and still."""
    ankles = bodies[:, :, FEET]
    speed = np.linalg.norm(np.gradient(ankles, 1 / FPS, axis=0), axis=-1)
    low = ankles[..., 2] < np.percentile(ankles[..., 2], 10, axis=0) + 0.04
    found: np.ndarray = (speed < 0.15) & low
    return found


@dataclass
class Lifted:
    """What a lifter made of people who walk."""

    joints: np.ndarray
    """(F, P, 17, 3) metres, relative to the pelvis, camera's frame."""
    level: np.ndarray
    """(F, P, 17, 3) metres, level frame."""
    root: np.ndarray
    """(F, P, 3)."""


def lift(
    runtime: Runtime, bodies: np.ndarray, told: range = range(FRAMES), **settings: bool
) -> Lifted:
    """Lift people seen with errors as those of detectors; their floor is known in some frames."""
    rng = np.random.default_rng(4)
    in_camera = VIEW.to_camera(bodies)
    points = VIEW.project(in_camera)
    points += rng.normal(0, 2.0, points.shape)
    ids = tuple(f"p{number}" for number in range(bodies.shape[1]))
    lifter, answers = StreamLifter(runtime, StreamConfig(**settings)), []
    for row, seen in enumerate(points.astype(np.float32)):
        answers += lifter.push(
            KeypointFrame(
                round(row / FPS * 1e9), ids, seen, np.ones(seen.shape[:2], np.float32),
                VIEW.width, VIEW.height, VIEW.focal, VIEW.pose if row in told else None,
            )
        )  # fmt: skip
    joints = np.stack([answer.joints for answer in answers])
    root = np.stack([answer.roots.position for answer in answers])
    return Lifted(joints, VIEW.pose.to_level(joints + root[:, :, None]), root)


@pytest.fixture(scope="module")
def bodies() -> np.ndarray:
    return world()


@pytest.fixture(scope="module")
def free(shipped: Runtime, bodies: np.ndarray) -> Lifted:
    return lift(shipped, bodies)


@pytest.fixture(scope="module")
def held(shipped: Runtime, bodies: np.ndarray) -> Lifted:
    return lift(shipped, bodies, hold_feet=True)


def slides(lifted: Lifted, bodies: np.ndarray) -> np.ndarray:
    """Return speeds over the floor, m/s, of lifted ankles whose feet truly stand."""
    still = standing(bodies)
    still = still[1:] & still[:-1]
    moved = np.diff(lifted.level[:, :, FEET, :2], axis=0)
    return (np.linalg.norm(moved, axis=-1) * FPS)[SETTLED:][still[SETTLED:]]


def test_held_feet_slide_less(free: Lifted, held: Lifted, bodies: np.ndarray) -> None:
    before, after = (float(np.mean(slides(each, bodies))) for each in (free, held))
    print(f"measured: standing feet slide by {before * 1e3:.0f} mm/s, held {after * 1e3:.0f}")
    assert after < 0.4 * before


@pytest.mark.parametrize("error", [-0.06, 0.05])
def test_feet_that_sink_or_float_come_to_the_floor(bodies: np.ndarray, error: float) -> None:
    held, rows, seen = HeldFeet(1), np.array([0]), np.ones((1, 17), bool)
    body = VIEW.to_camera(bodies[40, :1] + (0, 0, 0.06 - bodies[40, 0, FEET, 2].min() + error))
    body = np.array(body)
    for row in range(50):
        joints, root = held.hold(
            rows, round(row / FPS * 1e9), body - body[:, :1], body[:, 0], seen, VIEW.pose
        )
    lowest = VIEW.pose.to_level(joints + root[:, None])[0, FEET, 2].min()
    assert 0.042 < lowest < 0.115  # as ankles of feet on the floor are


def test_bones_are_as_long_and_people_where_they_were(free: Lifted, held: Lifted) -> None:
    def lengths(lifted: Lifted) -> np.ndarray:
        return np.linalg.norm(np.diff(lifted.joints[:, :, LEGS], axis=-2), axis=-1)

    np.testing.assert_allclose(lengths(held), lengths(free), atol=1e-4)
    others = np.setdiff1d(np.arange(17), LEGS[:, 1:])
    np.testing.assert_array_equal(held.joints[:, :, others], free.joints[:, :, others])
    assert np.linalg.norm(held.root - free.root, axis=-1).max() < 0.16


def test_joints_are_not_held_where_they_are_not(
    free: Lifted, held: Lifted, bodies: np.ndarray
) -> None:
    errors = [
        np.linalg.norm((each.level - bodies)[SETTLED:], axis=-1).mean(axis=(0, 1))
        for each in (free, held)
    ]
    print(f"measured: joints {errors[0].mean():.3f} m off, with held feet {errors[1].mean():.3f}")
    assert errors[1].mean() < errors[0].mean() + 0.006
    assert errors[1].max() < errors[0].max() + 0.012


def test_feet_that_leave_the_floor_neither_jump_nor_lag(
    free: Lifted, held: Lifted, bodies: np.ndarray
) -> None:
    change = (held.level - free.level)[:, :, FEET]
    step = np.linalg.norm(np.diff(change, axis=0), axis=-1)
    # What holding adds to the steps of a foot that already moves; one that stands is to stop them.
    swings = ~standing(bodies)
    leaves = (swings[1:] & swings[:-1])[SETTLED:]
    print(f"measured: largest added step {step[SETTLED:][leaves].max():.3f} m")
    assert step[SETTLED:][leaves].max() < 0.05
    frames = range(-3, 4)
    assert min(frames, key=lambda lag: apart(held, free, swings, lag)) in (0, 1)


def apart(held: Lifted, free: Lifted, swings: np.ndarray, lag: int) -> float:
    """Return how far swinging held feet are from free ones some frames before."""
    now, before = held.level[SETTLED:-5, :, FEET], free.level[SETTLED - lag : -5 - lag, :, FEET]
    return float(np.linalg.norm(now - before, axis=-1)[swings[SETTLED:-5]].mean())


def test_a_floor_that_is_lost_lets_feet_go_without_a_jump(
    shipped: Runtime, bodies: np.ndarray
) -> None:
    told = range(120)
    free, held = (lift(shipped, bodies, told, hold_feet=hold) for hold in (False, True))
    change = held.root - free.root
    assert np.linalg.norm(np.diff(change, axis=0), axis=-1).max() < 0.03
    assert np.abs(change[-50:]).max() < 1e-3
    assert np.abs(held.joints[-50:] - free.joints[-50:]).max() < 1e-3


def test_contact_does_not_flutter(bodies: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    contact, rows = FootContact(4), np.arange(2)
    ankles = bodies[:, :, FEET] + rng.normal(0, 0.004, bodies[:, :, FEET].shape)
    seen = np.ones((2, 2), bool)
    told = np.stack([
        contact.look(rows, round(row / FPS * 1e9), each, seen, VIEW.pose.position, 0.0)
        for row, each in enumerate(ankles)
    ])  # fmt: skip
    true = standing(bodies)
    speed = np.linalg.norm(np.gradient(bodies[:, :, FEET], 1 / FPS, axis=0), axis=-1)
    found, wrong = told[5:][true[5:]].mean(), told[5:][speed[5:] > 1.0].mean()
    changes, wanted = (np.abs(np.diff(each.astype(int), axis=0)).sum() for each in (told, true))
    print(
        f"measured: {found:.0%} of still feet are found, {wrong:.0%} of those that swing; contact "
        f"changes {changes} times, in truth {wanted}"
    )
    assert found > 0.9
    assert wrong < 0.05
    assert changes <= 1.2 * wanted
    contact.forget(0)
    assert not contact.look(rows[:1], 0, ankles[0][:1], ~seen[:1], VIEW.pose.position, 0.0).any()


def test_legs_reach_what_they_can_and_stay_as_long() -> None:
    rng = np.random.default_rng(2)
    joints = VIEW.to_camera(world()[::10].reshape(-1, 17, 3))
    moves = rng.normal(0, 0.03, (len(joints), 2, 3))
    bent = bend_legs(joints, moves)
    before, after = (np.linalg.norm(np.diff(j[:, LEGS], axis=2), axis=-1) for j in (joints, bent))
    np.testing.assert_allclose(after, before, atol=1e-9)
    missed = np.linalg.norm(bent[:, FEET] - joints[:, FEET] - moves, axis=-1)
    assert np.median(missed) < 0.005
    assert (missed <= np.linalg.norm(moves, axis=-1) + 1e-9).all()
    knees = np.linalg.norm((bent - joints)[:, LEGS[:, 1]], axis=-1)
    assert knees.max() < 0.15
    np.testing.assert_allclose(bend_legs(joints, 0 * moves), joints, atol=1e-9)
    little = np.linalg.norm(bend_legs(joints, 1e-4 * moves) - joints, axis=-1).max()
    assert little < 2e-3, "a small movement makes a small change, of straight legs, too"
