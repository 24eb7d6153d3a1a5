"""Whose a message is, by the numbers that the middleware gives each publisher's messages."""

from __future__ import annotations

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from pstmo_ros.one_camera import OneCamera, Sender
from pstmo_ros.publishers import Publishers

MS = 1_000_000


def told_apart(numbers: list[int], publishers: int = 2, step: int = 10 * MS) -> list[int]:
    """Return the names of the publishers of messages that come one after the other."""
    known = Publishers(lambda: publishers)
    return [known.of(number, row * step) for row, number in enumerate(numbers)]


def test_one_publisher_stays_one_whatever_is_lost() -> None:
    assert set(told_apart([7, 8, 10, 11, 500, 501], publishers=1)) == {1}


@pytest.mark.parametrize(
    "numbers", [[5, 900, 6, 901, 7, 902], [1, 1, 2, 2, 3, 3], [40, 41, 42, 1, 43, 2, 44, 3]]
)
def test_sequences_that_run_side_by_side_are_publishers(numbers: list[int]) -> None:
    found = told_apart(numbers)
    assert set(found) == {1, 2}
    for name in (1, 2):
        own = [number for number, each in zip(numbers, found, strict=True) if each == name]
        assert own == sorted(set(own))
    assert found[-2] != found[-1]


def test_a_publisher_that_starts_again_is_one_that_nobody_mixes_up() -> None:
    cameras, known = OneCamera(), Publishers(lambda: 1)
    for row, number in enumerate([1, 2, 3, 1, 2, 3, 4, 5, 6]):
        now = row * 10 * MS
        assert cameras.admits(Sender("camera", 640, 480, known.of(number, now)), now)


def test_who_is_silent_is_forgotten_and_a_number_may_be_missing() -> None:
    assert told_apart([5, 4, 6, 7], step=1100 * MS) == [1, 2, 3, 4]
    assert Publishers(lambda: 2).of(None, 0) == 0
