"""Who is who: people keep their ids through crossings and hiding, and no id comes twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.frame import keypoint_frame
from pstmo_core.keypoints.tracking import Tracker, TrackerConfig, surest

FPS = 25
FOCAL = 900.0


@pytest.fixture(scope="module")
def motions(mocap_file: Path) -> np.ndarray:
    """Two real motions (2, F, 17, 3) on the spot: the path of the pelvis is taken out."""
    clips = load_mocap(mocap_file)
    frames = 75
    picked = [
        clips.positions[start : start + 2 * frames : 2]
        for start, length in zip(clips.start, clips.length, strict=True)
        if length >= 2 * frames
    ][:2]
    poses = np.stack(picked)
    poses = poses - poses[:, :, :1]
    return np.stack([poses[..., 0], -poses[..., 2], poses[..., 1]], -1)


def seen_from(poses: np.ndarray, paths: np.ndarray, jitter: float = 3.0) -> np.ndarray:
    """Project people (2, F, 17, 3) on paths (2, F, 3) to noisy pixels (2, F, 17, 2)."""
    points = poses + paths[:, :, None]
    pixels = points[..., :2] / points[..., 2:] * FOCAL + [640, 360]
    return pixels + np.random.default_rng(1).normal(0, jitter, pixels.shape)


def crossing(frames: int, near: float = 3.0, far: float = 4.0) -> np.ndarray:
    """Paths (2, F, 3): two people pass one another in three seconds, one before the other."""
    along = np.linspace(-1.3, 1.3, frames)
    still = np.zeros(frames)
    return np.stack(
        [np.stack([along, still, still + near], -1), np.stack([-along, still, still + far], -1)]
    )


def follow(
    pixels: np.ndarray, seen: np.ndarray, tracker: Tracker | None = None, shuffle: int = 0
) -> list[list[str]]:
    """Return each person's ids over time; the detector's order changes from image to image."""
    tracker = tracker or Tracker()
    rng = np.random.default_rng(shuffle)
    ids: list[list[str]] = [[] for _ in pixels]
    for frame in range(pixels.shape[1]):
        there = rng.permutation(np.flatnonzero(seen[:, frame].any(-1)))
        stamp = round(frame * 1e9 / FPS)
        names = tracker.identify(stamp, pixels[there, frame], seen[there, frame])
        for person, name in zip(there, names, strict=True):
            ids[person].append(name)
    return ids


@pytest.mark.parametrize("shuffle", range(5))
def test_two_people_who_cross_keep_their_ids(motions: np.ndarray, shuffle: int) -> None:
    pixels = seen_from(motions, crossing(motions.shape[1]))
    ids = follow(pixels, np.ones(pixels.shape[:-1], bool), shuffle=shuffle)
    assert [len(set(names)) for names in ids] == [1, 1]
    assert ids[0][0] != ids[1][0]


@pytest.mark.parametrize("hidden", [0.2, 0.5, 0.8])
def test_who_is_hidden_behind_another_for_a_while_keeps_the_id(
    motions: np.ndarray, hidden: float
) -> None:
    frames = motions.shape[1]
    pixels = seen_from(motions, crossing(frames))
    seen = np.ones(pixels.shape[:-1], bool)
    half = round(hidden * FPS / 2)
    seen[1, frames // 2 - half : frames // 2 + half] = False
    ids = follow(pixels, seen)
    assert [len(set(names)) for names in ids] == [1, 1]


def test_joints_that_come_and_go_change_nothing(motions: np.ndarray) -> None:
    pixels = seen_from(motions, crossing(motions.shape[1]))
    seen = np.random.default_rng(3).random(pixels.shape[:-1]) < 0.6
    seen[:, :, 0] = True
    assert [len(set(names)) for names in follow(pixels, seen)] == [1, 1]


def test_who_was_away_too_long_comes_back_as_somebody_else(motions: np.ndarray) -> None:
    pixels = seen_from(motions, crossing(motions.shape[1]))
    seen = np.ones(pixels.shape[:-1], bool)
    seen[1, 20:50] = False
    first, second = follow(pixels, seen, Tracker(TrackerConfig(expire=0.5)))
    assert len(set(first)) == 1
    assert second[19] != second[20] and len(set(second)) == 2


def test_no_id_is_given_twice_even_when_time_jumps_back(motions: np.ndarray) -> None:
    pixels = seen_from(motions, crossing(motions.shape[1]))
    seen = np.ones(pixels.shape[:-1], bool)
    tracker = Tracker()
    turns = [{name for names in follow(pixels, seen, tracker) for name in names} for _ in range(3)]
    assert [len(turn) for turn in turns] == [2, 2, 2]
    assert len(set.union(*turns)) == 6
    assert all(name[0].isalpha() for name in set.union(*turns))


def test_an_image_that_comes_late_is_named_and_disturbs_nobody(motions: np.ndarray) -> None:
    pixels = seen_from(motions, crossing(motions.shape[1]))
    seen = np.ones(pixels.shape[1:3], bool)
    tracker = Tracker()
    order = [*range(30), 31, 30, *range(32, pixels.shape[1])]
    names = {tracker.identify(round(k * 1e9 / FPS), pixels[:, k], seen[[k, k]]) for k in order}
    assert len(names) == 1


def test_a_newcomer_gets_an_id_of_his_own_and_takes_nobodys(motions: np.ndarray) -> None:
    pixels = seen_from(motions, crossing(motions.shape[1]))
    seen = np.ones(pixels.shape[:-1], bool)
    seen[1, :30] = False
    ids = follow(pixels, seen)
    assert [len(set(names)) for names in ids] == [1, 1] and ids[0][0] != ids[1][0]


@pytest.mark.parametrize("step", [0.5, 0.7, 0.9])
def test_a_false_detection_of_one_image_takes_nobodys_place_later(
    motions: np.ndarray, step: float
) -> None:
    """Somebody steps aside to where half a second ago there seemed to be somebody, too."""
    frames = motions.shape[1]
    paths = np.tile([0.0, 0.0, 4.0], (2, frames, 1))
    paths[0, :, 0] = np.clip((np.arange(frames) - 36) / 8, 0, 1) * step
    paths[1, :, 0] = step
    pixels = seen_from(motions[[0, 0]], paths)
    seen = np.ones(pixels.shape[:-1], bool)
    seen[1, :27], seen[1, 28:] = False, False
    assert len(set(follow(pixels, seen)[0])) == 1


@pytest.mark.parametrize("fps", [1.5, 5])
def test_few_images_a_second_are_enough(motions: np.ndarray, fps: float) -> None:
    tracker = Tracker()
    pixels = seen_from(motions, crossing(motions.shape[1]))[0, :5]
    seen = np.ones((1, 17), bool)
    names = {
        tracker.identify(round(k * 1e9 / fps), each[None], seen)[0] for k, each in enumerate(pixels)
    }
    assert len(names) == 1


def test_nobody_and_people_without_a_joint_are_no_trouble() -> None:
    tracker = Tracker()
    assert tracker.identify(0, np.zeros((0, 17, 2)), np.zeros((0, 17), bool)) == ()
    names = tracker.identify(1, np.zeros((2, 17, 2)), np.zeros((2, 17), bool))
    assert len(set(names)) == 2


@pytest.mark.parametrize("change", [{"expire": 0.0}, {"similarity": 1.0}, {"prefix": "1"}])
def test_a_wrong_setting_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        TrackerConfig(**change)  # type: ignore[arg-type]


def strangers(count: int, rng: np.random.Generator) -> np.ndarray:
    """People (count, 17, 2) of all sizes, anywhere in a large image."""
    body = rng.normal(0, 40, (17, 2))
    places = rng.uniform(0, 6000, (count, 1, 2))
    return body * rng.uniform(0.3, 3, (count, 1, 1)) + places


@pytest.mark.parametrize("step", [0, 1_000_000])
def test_passers_by_cost_no_more_as_time_goes_on_even_if_stamps_stand_still(step: int) -> None:
    tracker, rng = Tracker(TrackerConfig(people=8)), np.random.default_rng(0)
    seen = np.ones((5, 17), bool)
    names: set[str] = set()
    for index in range(200):
        names.update(tracker.identify(index * step, strangers(5, rng), seen))
    assert len(tracker._ids) == 2 * 8
    assert len(names) > 500


def test_a_crowd_is_named_but_only_so_many_are_followed() -> None:
    tracker, rng = Tracker(TrackerConfig(people=8)), np.random.default_rng(0)
    crowd, seen = strangers(1000, rng), np.ones((1000, 17), bool)
    first, second = (tracker.identify(stamp, crowd, seen) for stamp in (0, 40_000_000))
    assert len(set(first)) == len(set(second)) == 1000
    assert first[:8] == second[:8]
    assert not set(first[8:]) & set(second[8:])


def test_the_surest_people_of_a_frame_stay_in_their_order() -> None:
    scores = np.array([0.2, 0.9, 0.1, 0.8, 0.3], np.float32)
    frame = keypoint_frame(
        0,
        tuple("abcde"),
        np.full((5, 17, 2), 20.0),
        np.repeat(scores[:, None], 17, 1),
        (64, 48),
        "h36m17",
    )
    kept = surest(frame, 3)
    assert kept.ids == ("b", "d", "e")
    np.testing.assert_array_equal(kept.scores[:, 0], scores[[1, 3, 4]])
    assert surest(frame, 5) is frame
