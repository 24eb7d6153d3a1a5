"""BlazePose without MediaPipe: landmarks of people in real video."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="images need OpenCV")

from pstmo_core.detection import DetectorError, DetectorOptions, load_detector  # noqa: E402
from pstmo_core.detection.blazepose_search import BlazeposeSearch, squares_of  # noqa: E402
from pstmo_core.detection.network_file import WEIGHTS  # noqa: E402
from pstmo_core.keypoints.layouts import get_layout  # noqa: E402

NAMES = get_layout("blazepose33").joint_names
UPRIGHT = ("nose", "lshoulder", "lhip", "lknee", "lankle")


@pytest.fixture(scope="module")
def woman() -> list[np.ndarray]:
    """A woman who walks, in a part of the shipped video."""
    video = cv2.VideoCapture(str(WEIGHTS.parent / "samples" / "park.mp4"))
    return [np.ascontiguousarray(video.read()[1][320:, 560:]) for _ in range(8)]


def test_landmarks_agree_with_movenets_on_a_walking_woman(woman: list[np.ndarray]) -> None:
    blazepose, movenet = load_detector("blazepose"), load_detector()
    assert blazepose.layout == "blazepose33" and "BlazePose" in blazepose.describe()
    for image in woman:
        (points,), (scores,) = (lambda d: (d.points, d.scores))(blazepose.detect(image))
        assert scores.shape == (33,) and scores.mean() > 0.6
        heights = points[[NAMES.index(name) for name in UPRIGHT], 1]
        assert (np.diff(heights) > 0).all()
        (other,) = movenet.detect(image).points
        both = ("lshoulder", "rshoulder", "lhip", "rhip", "lknee", "rknee", "lankle", "rankle")
        coco = get_layout("coco17").joint_names
        apart = points[[NAMES.index(n) for n in both]] - other[[coco.index(n) for n in both]]
        assert np.median(np.linalg.norm(apart, axis=-1)) < 0.05 * np.ptp(points[:, 1])


def test_a_person_who_lies_is_found_as_one_who_stands(woman: list[np.ndarray]) -> None:
    """The square turns with the person, so landmarks turn with the image."""
    upright = load_detector("blazepose").detect(woman[4])
    lying = load_detector("blazepose").detect(cv2.rotate(woman[4], cv2.ROTATE_90_CLOCKWISE))
    assert len(upright.points) == len(lying.points) == 1
    turned = np.stack([woman[4].shape[0] - upright.points[0, :, 1], upright.points[0, :, 0]], -1)
    apart = np.linalg.norm(turned - lying.points[0], axis=-1)
    assert np.median(apart) < 0.05 * np.ptp(upright.points[0, :, 1])


def test_a_square_has_the_hips_in_its_middle_and_turns_with_the_person() -> None:
    hips = np.array([[100.0, 100.0], [100.0, 100.0]])
    ends = np.array([[100.0, 60.0], [140.0, 100.0]])  # upright, and with the head to the right
    squares = squares_of(hips, ends)
    np.testing.assert_allclose(squares, [[100, 100, 100, 0], [100, 100, 100, np.pi / 2]])


def test_nobody_is_found_in_an_empty_image_and_who_leaves_is_given_up(
    woman: list[np.ndarray],
) -> None:
    detector = load_detector("blazepose")
    empty = np.full_like(woman[0], 90)
    counts = [len(detector.detect(i).points) for i in (empty, woman[0], empty, empty, woman[1])]
    assert counts == [0, 1, 0, 0, 1]


def test_another_network_is_refused_with_a_sentence() -> None:
    wrong = WEIGHTS / "blazepose_detection.onnx"
    with pytest.raises(DetectorError, match="is not a landmark network of BlazePose"):
        load_detector("blazepose", DetectorOptions(pose_model=str(wrong)))
    with pytest.raises(DetectorError, match="is not BlazePose's detection network"):
        BlazeposeSearch(path=WEIGHTS / "movenet_lightning.onnx")
