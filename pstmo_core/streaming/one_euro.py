"""A One-Euro filter for moving points: smooth at low speed, quick to follow at high speed.

As in Casiez, Roussel and Vogel (CHI 2012) the cut-off frequency grows with the speed. Unlike there
the point's velocity is part of what is filtered (a critically damped g-h filter), so that a steady
motion is followed without lag. Everything is in seconds, so that any frame rate and irregular
stamps are filtered alike.
"""

from __future__ import annotations

import numpy as np

#: Seconds in which a velocity fades to a third where nothing is seen.
VELOCITY_LIFE = 0.3


def advance(
    points: np.ndarray, velocity: np.ndarray, age: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Move points (..., D) on as they moved, and let their velocity (..., D) fade.

    Args:
        points: where they were.
        velocity: units a second.
        age: (...) seconds since then.
    """
    left = np.exp(-age / VELOCITY_LIFE)[..., None]
    return points + velocity * (VELOCITY_LIFE * (1 - left)), velocity * left


def correct(
    expected: np.ndarray,
    velocity: np.ndarray,
    measured: np.ndarray,
    age: np.ndarray,
    cutoff: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw points to where they were measured; return points and velocities.

    Args:
        expected: (..., D), as by `advance`.
        velocity: (..., D), the same for velocities.
        measured: (..., D).
        age: (...) seconds since the last measurement, above 0; infinite: there was none.
        cutoff: (...) Hz.
    """
    left = np.exp(-2 * np.pi * cutoff * age)[..., None]
    error = measured - expected
    new = np.isinf(age)[..., None]
    points = np.where(new, measured, expected + (1 - left**2) * error)
    return points, np.where(new, 0, velocity + (1 - left) ** 2 / age[..., None] * error)


def adaptive_cutoff(
    velocity: np.ndarray, size: np.ndarray, min_cutoff: float, beta: float
) -> np.ndarray:
    """Return the cut-off frequency (...) in Hz of points with velocities (..., D).

    Args:
        velocity: units a second.
        size: what `beta` measures speed by, in the same units; broadcasts to (...).
        min_cutoff: Hz, of a point that rests.
        beta: Hz for each size a second.
    """
    speed = np.sqrt((velocity * velocity).sum(-1))
    cutoff: np.ndarray = min_cutoff + beta * speed / size
    return cutoff
