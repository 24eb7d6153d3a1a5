"""The square in which a person is looked at: it shows all of them, and finely enough."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="images need OpenCV")

from shared_files import shared  # noqa: E402

from pstmo_core.detection import DetectorOptions, load_detector  # noqa: E402
from pstmo_core.detection.network_file import WEIGHTS  # noqa: E402
from pstmo_core.detection.single_pose import (  # noqa: E402
    SinglePose,
    square_crop,
    squares_round,
)
from pstmo_core.keypoints.clip import sample_video_path  # noqa: E402

FILE = WEIGHTS / "movenet_lightning.onnx"


@pytest.fixture(scope="module")
def park() -> list[np.ndarray]:
    """The first image of the shipped video of two people."""
    return [cv2.VideoCapture(str(sample_video_path())).read()[1]]


def test_a_second_look_through_a_mirror_finds_the_same_person_and_trembles_less(
    park: list[np.ndarray],
) -> None:
    """The same image, moved by less than a pixel: whatever the points do is the network's noise."""
    network = SinglePose(FILE)
    found = load_detector().detect(park[0])
    squares, _ = squares_round(found.points, found.scores, park[0].shape)
    tremble, answers = {}, {}
    for twice in (False, True):
        moved = [
            network.detect(park[0], squares + (dx, dy, 0), twice)[0]
            for dx, dy in np.random.default_rng(1).uniform(-6, 6, (8, 2))
        ]
        seen = found.scores > 0.3
        tremble[twice] = float(np.std(moved, axis=0)[seen].mean())
        answers[twice] = np.mean(moved, axis=0)[seen]
    assert tremble[True] < 0.85 * tremble[False]
    assert np.median(np.abs(answers[True] - answers[False])) < 4


def test_legs_that_are_not_seen_have_room_where_the_image_has_it() -> None:
    """Whose ankles were lost once would be looked for without them ever after."""
    standing = np.zeros((1, 17, 2))
    standing[0, :5] = (300, 100)
    for joints, height in (((5, 6), 160), ((7, 8), 220), ((9, 10), 280), ((11, 12), 280)):
        standing[0, joints] = (300, height)
    standing[0, (13, 14)], standing[0, (15, 16)] = (300, 380), (300, 480)
    scores = np.full((1, 17), 0.8)

    def bottom(shape: tuple[int, int], *lost: int) -> float:
        known = scores.copy()
        known[0, lost] = 0.05
        squares, enough = squares_round(standing, known, shape)
        assert enough.all()
        return float(squares[0, 1] + squares[0, 2] / 2)

    whole = bottom((720, 960))
    assert bottom((720, 960), 15, 16) >= whole - 1
    assert bottom((720, 960), 13, 14, 15, 16) >= whole - 1
    assert bottom((720, 960), 15) == whole, "an ankle behind the other leg changes nothing"
    assert bottom((300, 960), 13, 14, 15, 16) < 350, "nobody looks below the image"


def test_a_head_that_is_not_seen_has_room_where_the_image_has_it() -> None:
    """A search may miss the face; whose head the square cuts, the network would invent one."""
    standing = np.zeros((2, 17, 2))
    standing[:, :5] = (300, 100)
    for joints, height in (((5, 6), 160), ((7, 8), 220), ((9, 10), 280), ((11, 12), 280)):
        standing[:, joints] = (300, height)
    standing[:, (13, 14)], standing[:, (15, 16)] = (300, 380), (300, 480)
    scores = np.full((2, 17), 0.8)
    scores[1, :5] = 0
    upside_down = np.array([600, 600]) - standing
    (seen, missed), _ = squares_round(standing, scores, (600, 600))
    assert missed[1] - missed[2] / 2 < seen[1] - seen[2] / 2 + 30 < 100
    (seen, missed), _ = squares_round(upside_down, scores, (600, 600))
    assert missed[1] + missed[2] / 2 > seen[1] + seen[2] / 2 - 30 > 500
    squares, _ = squares_round(standing - (0, 120), scores, (600, 600))
    assert squares[1, 1] - squares[1, 2] / 2 > -60, "nobody looks above the image"


def test_whose_ankles_a_search_missed_is_seen_whole_at_once() -> None:
    """Of people nearby multipose misses the ankles, the more of them the larger its input."""
    video = cv2.VideoCapture(str(shared("data/video/pose_squats.mp4")))
    near = [video.read()[1] for _ in range(4)]
    options = DetectorOptions(pose_model="lightning", input_size=512)
    detector = load_detector("movenet", options)
    found = [detector.detect(image) for image in near]
    assert all(len(one.points) == 1 for one in found)
    assert min(one.scores[0, 15:].min() for one in found) > 0.5
    assert min(one.points[0, 15:, 1].min() for one in found) > 900


def test_who_comes_out_from_behind_a_wall_is_seen_whole_by_the_next_search() -> None:
    """Her head is where nobody looked while her legs were all that was seen."""
    image = cv2.VideoCapture(str(shared("data/video/pose_squats.mp4"))).read()[1]
    behind = image.copy()
    behind[:560] = 150
    detector = load_detector("movenet", DetectorOptions(pose_model="lightning"))
    seen = [
        int((detector.detect(shown).scores[0] > 0.3).sum()) for shown in [behind] * 4 + [image] * 3
    ]
    assert max(seen[:4]) < 12 and seen[-1] == 17


def test_a_large_person_is_seen_at_the_networks_size_without_a_pattern_of_single_pixels() -> None:
    """A fine chequerboard is grey from afar, and edges stay where they are."""
    image = np.zeros((1200, 1200, 3), np.uint8)
    image[::2, ::2] = image[1::2, 1::2] = 255
    for shift in (0.0, 0.3, 0.7):
        crop = square_crop(image, np.array([600 + shift, 600, 1100.0]), 192)
        assert np.abs(crop.astype(int) - 127).max() <= 2
    half = np.zeros((1200, 1200, 3), np.uint8)
    half[:, 600:] = 255
    for side in (150.0, 250.0, 500.0, 1100.0):
        row = square_crop(half, np.array([600.0, 600, side]), 192)[96, :, 0].astype(float)
        assert abs((255 - row).sum() / 255 - 96) < 0.1
    beyond = square_crop(image, np.array([5000.0, 600, 100]), 192)
    assert beyond.shape == (192, 192, 3) and not beyond.any()
