"""Distances of people are steady, do not lag, and follow whoever is there."""

from __future__ import annotations

import numpy as np
import pytest

from pstmo_core.room.range_filter import RangeFilter
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View

ROW = np.array([1])
VIEW = View(1280, 720, 1000.0, position=(5.0, 0.5, 1.2), target=(0.0, 0.5, 0.9))


def follow(distances: np.ndarray, fps: float, spread: float = 0.02) -> np.ndarray:
    """Return what a filter makes of the distances (F,) of one person."""
    ranges = RangeFilter(3)
    return np.array([
        ranges.follow(
            ROW, round(row / fps * 1e9), np.array([told]), np.array([spread**2]), np.zeros(1)
        )[0][0]
        for row, told in enumerate(distances)
    ])  # fmt: skip


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_jitter_is_taken_off_a_real_walk_and_the_walk_does_not_lag(fps: float) -> None:
    moving, rng = MovingPeople.shipped(1), np.random.default_rng(8)
    times = np.arange(0.0, 12.0, 1 / fps)
    roots = np.concatenate([moving.joints(seconds)[:, 0] for seconds in times])
    true = np.linalg.norm(roots - VIEW.position, axis=-1)
    assert np.ptp(true) > 1.0, "nobody walks towards the camera or away from it"
    measured = true * np.exp(rng.normal(0, 0.01, len(true)))
    steady = follow(measured, fps)
    late = times > 1.0
    jumps, jumped = (np.diff(found - true)[late[1:]] for found in (steady, measured))
    assert np.std(jumps) < 0.3 * np.std(jumped)
    assert np.std((steady - true)[late]) < 0.7 * np.std((measured - true)[late])
    # Somebody who walks at a metre a second and lags by 50 ms would be 5 cm behind.
    speed = np.gradient(true, 1 / fps)[late]
    lag = -np.sum((steady - true)[late] * speed) / np.sum(speed**2)
    assert abs(lag) < 0.05


def test_a_size_that_becomes_known_shifts_people_and_gives_them_no_speed() -> None:
    ranges, one = RangeFilter(3), np.ones(1)
    for row in range(100):
        known = row >= 50
        told, _ = ranges.follow(
            ROW, row * 40_000_000, 4.0 * np.exp(0.1 * known) * one, 4e-4 * one,
            0.1 * one * (row == 50),
        )  # fmt: skip
        assert told[0] == pytest.approx(4.0 * np.exp(0.1 * known), abs=1e-6)


def test_one_wild_reading_counts_little_and_many_are_somebody_else() -> None:
    distances = np.full(100, 4.0)
    distances[40] = 8.0
    assert np.abs(follow(distances, 25.0) - 4.0).max() < 0.15
    distances[60:] = 8.0
    assert follow(distances, 25.0)[75] == pytest.approx(8.0, abs=0.1)


def test_who_comes_back_after_a_while_is_where_they_are_seen() -> None:
    ranges, variance, none = RangeFilter(3), np.array([4e-4]), np.zeros(1)
    ranges.follow(ROW, 0, np.array([3.0]), variance, none)
    assert ranges.follow(ROW, 2 * 10**9, np.array([6.0]), variance, none)[0] == pytest.approx(6.0)
    ranges.forget(1)
    later = 2 * 10**9 + 40_000_000
    assert ranges.follow(ROW, later, np.array([3.0]), variance, none)[0] == pytest.approx(3.0)


def test_who_has_no_distance_gets_none_and_disturbs_nobody() -> None:
    ranges, rows = RangeFilter(3), np.array([0, 2])
    for row in range(3):
        told, variance = ranges.follow(
            rows, row * 40_000_000, np.array([np.nan, 5.0]), np.array([np.nan, 4e-4]), np.zeros(2)
        )
        assert np.isnan(told[0]) and np.isnan(variance[0])
        assert told[1] == pytest.approx(5.0) and 0 < variance[1] < 4e-4
