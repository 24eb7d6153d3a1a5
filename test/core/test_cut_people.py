"""People whom the image's border cuts: what is seen of them is exact, and the rest is not seen."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="images need OpenCV")

from shared_files import shared  # noqa: E402

from pstmo_core.detection import DetectorOptions, load_detector  # noqa: E402
from pstmo_core.detection.beyond_border import beyond_border  # noqa: E402
from pstmo_core.detection.same_person import jumped_to_others  # noqa: E402

NAMES = ("lightning", "thunder")
KNEES, ANKLES = slice(13, 15), slice(15, 17)


@pytest.fixture(scope="module")
def squats() -> list[np.ndarray]:
    """Some images of a woman who stands, about 900 pixels tall."""
    video = cv2.VideoCapture(str(shared("data/video/pose_squats.mp4")))
    return [video.read()[1] for _ in range(12)]


def found(images: list[np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the points and scores of the one person in each image."""
    detector = load_detector("movenet", DetectorOptions(pose_model=name))
    answers = [detector.detect(np.ascontiguousarray(image)) for image in images]
    assert all(len(answer.points) == 1 for answer in answers)
    return tuple(np.concatenate([vars(a)[key] for a in answers]) for key in ("points", "scores"))


@pytest.mark.parametrize("name", NAMES)
def test_legs_below_the_image_are_not_seen_and_all_above_is_where_it_was(
    squats: list[np.ndarray], name: str
) -> None:
    """Networks put knees and ankles at the lower border, with scores up to 0.6."""
    whole, _ = found(squats, name)
    trunk = np.linalg.norm(whole[:, 11] - whole[:, 5], axis=-1).mean()
    hips, knees = (whole[:, [a, a + 1], 1].mean() for a in (11, 13))
    for share in (0.35, 0.6):
        bottom = int(hips + share * (knees - hips))
        points, scores = found([image[:bottom] for image in squats], name)
        assert (scores[:, ANKLES] < 0.2).all()
        assert (scores[:, KNEES] < 0.2).all() or share < 0.5
        above = whole[..., 1] < bottom - 0.2 * trunk
        error = np.linalg.norm(points - whole, axis=-1)[above] / trunk
        assert (scores[above] >= 0.2).mean() > 0.97
        assert np.median(error) < 0.05 and np.percentile(error, 95) < 0.25


@pytest.mark.parametrize("name", NAMES)
def test_feet_that_stand_at_the_border_are_seen(squats: list[np.ndarray], name: str) -> None:
    whole, _ = found(squats, name)
    bottom = int(whole[:, ANKLES, 1].max() + 0.02 * np.ptp(whole[0, :, 1]))
    _, scores = found([image[:bottom] for image in squats], name)
    assert (scores[:, KNEES] >= 0.2).all()
    assert (scores[:, ANKLES] >= 0.2).mean() > 0.9


def test_doubt_at_the_border_follows_a_limb_and_spares_the_sure() -> None:
    points, scores = np.full((1, 17, 2), 200.0), np.full((1, 17), 0.8)
    points[0, :, 1] = np.linspace(100, 470, 17)
    points[0, 13], scores[0, 13] = (180, 478), 0.4  # a knee at the border
    points[0, 15], scores[0, 15] = (190, 300), 0.5  # and its ankle on the trunk
    points[0, 14], scores[0, 14] = (220, 478), 0.7  # the other knee is seen
    assert np.flatnonzero(beyond_border(points, scores, (480, 640))).tolist() == [13, 15]
    assert not beyond_border(points, scores, (1000, 640)).any()


def test_joints_that_leave_for_a_neighbours_are_not_followed() -> None:
    """Of two who stand side by side, one is suddenly seen with the other's head and arm."""
    one = np.zeros((17, 2))
    one[:, 1], one[:, 0] = np.linspace(0, 160, 17), np.tile((0, 20), 9)[:17]
    before = np.stack([one, one + (60, 0)])
    scores = np.full((2, 17), 0.8)
    points = before + (3, 0)
    assert not jumped_to_others(points, scores, before).any(), "both walk"
    points[0, :8] = points[1, :8] + 2
    assert np.argwhere(jumped_to_others(points, scores, before)).tolist() == [
        [0, joint] for joint in range(8)
    ]
    crossing = np.stack([one, one + (4, 0)])
    assert not jumped_to_others(crossing + (5, 0), scores, crossing).any(), "one before the other"
