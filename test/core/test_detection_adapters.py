"""Detectors from files that a user brings: points in pixels of the image, faults as sentences."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx")

from mediapipe_task import write_task
from pose_networks import write_constant, write_heatmaps, write_simcc

from pstmo_core.detection import DetectorError, DetectorOptions, load_detector, simulation
from pstmo_core.detection.mediapipe import read_landmarks
from pstmo_core.detection.network_file import open_session
from pstmo_core.detection.rtm import finds_people_itself
from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.clip import sample_video_path
from pstmo_core.lift.videos import video_images

SIZE = (96, 128)
SPOT = np.array([400.0, 300.0])
PLAIN = {"pose_mean": (0.0, 0.0, 0.0), "pose_deviation": (255.0, 255.0, 255.0)}


@pytest.fixture
def image() -> np.ndarray:
    """A dark image with one bright spot."""
    y, x = np.mgrid[:480, :640] + 0.5
    level = 255 * np.exp(-((x - SPOT[0]) ** 2 + (y - SPOT[1]) ** 2) / 2 / 9.0**2)
    return np.repeat(level[..., None], 3, -1).astype(np.uint8)


@pytest.fixture
def simcc(tmp_path: Path) -> str:
    return write_simcc(tmp_path / "rtmpose.onnx", SIZE, 17)


def boxes(path: Path, *rows: tuple[float, ...], size: tuple[int, int] = (320, 320)) -> str:
    """Write a network that finds boxes with scores, in pixels of its input of 320 x 320."""
    return write_constant(path, size, dets=np.array([rows]))


# A network that is described


@pytest.mark.parametrize("people_from", ["image", "previous"])
def test_a_described_simcc_network_finds_the_spot_in_the_whole_image(
    image: np.ndarray, simcc: str, people_from: str
) -> None:
    options = DetectorOptions(pose_model=simcc, people_from=people_from, **PLAIN)
    detector = load_detector("onnx", options)
    assert detector.layout == "coco17"
    sizes = []
    for _ in range(2):
        found = detector.detect(image)
        assert found.points.shape == (1, 17, 2) and found.points.dtype == np.float32
        # A pixel of the whole image's crop is 8 of the image's.
        np.testing.assert_allclose(found.points[0, 8], SPOT, atol=8)
        assert found.scores.shape == (1, 17) and (found.scores > 0.3).all()
        sizes.append(np.ptp(found.points[0, :, 0]))
    # Joints are 16 of a crop's pixels apart: less of the image where the crop is of the person.
    assert sizes[0] == pytest.approx(16 * 640 * 1.25 / 96, rel=0.01)
    assert sizes[1] < sizes[0] / 2 if people_from == "previous" else sizes[1] == sizes[0]


def test_a_described_heatmap_network_finds_the_spot(image: np.ndarray, tmp_path: Path) -> None:
    maps = write_heatmaps(tmp_path / "h.onnx", SIZE, 17)
    options = DetectorOptions(pose_model=maps, pose_output="heatmap", **PLAIN)
    found = load_detector("onnx", options).detect(image)
    np.testing.assert_allclose(found.points[0], np.tile(SPOT, (17, 1)), atol=20)


def test_people_found_by_another_network_are_looked_at_one_by_one(
    image: np.ndarray, simcc: str, tmp_path: Path
) -> None:
    # 320 / 640: half of the image's pixels. The second box holds no spot, the third is unsure.
    search = boxes(
        tmp_path / "s.onnx",
        (0, 0, 40, 40, 0.8),
        (180, 130, 220, 170, 0.9),
        (150, 100, 250, 200, 0.1),
    )
    options = DetectorOptions(pose_model=simcc, person_model=search, people_from="search", **PLAIN)
    found = load_detector("onnx", options).detect(image)
    assert len(found.points) == 1
    np.testing.assert_allclose(found.points[0, 8], SPOT, atol=2)
    few = boxes(tmp_path / "f.onnx", (0, 0, 40, 40, 0.1))
    options = DetectorOptions(pose_model=simcc, person_model=few, people_from="search")
    assert load_detector("onnx", options).detect(image).points.shape == (0, 17, 2)


def test_who_is_followed_is_sought_in_the_whole_image_again_when_lost(
    image: np.ndarray, simcc: str
) -> None:
    options = DetectorOptions(pose_model=simcc, people_from="previous", **PLAIN)
    detector = load_detector("onnx", options)
    assert len(detector.detect(image).points) == 1
    assert len(detector.detect(np.zeros_like(image)).points) == 0
    np.testing.assert_allclose(detector.detect(image).points[0, 8], SPOT, atol=8)


def test_a_network_that_does_not_fit_its_description_is_a_sentence(
    image: np.ndarray, simcc: str, tmp_path: Path
) -> None:
    with pytest.raises(DetectorError, match="set pose_model"):
        load_detector("onnx")
    with pytest.raises(DetectorError, match="set person_model"):
        load_detector("onnx", DetectorOptions(pose_model=simcc, people_from="search"))
    with pytest.raises(DetectorError, match="17 points, but the layout halpe26 has 26"):
        load_detector("onnx", DetectorOptions(pose_model=simcc, detector_layout="halpe26")).detect(
            image
        )
    wrong = write_constant(tmp_path / "w.onnx", (64, 64), out=np.ones((1, 10, 85)))
    options = DetectorOptions(pose_model=simcc, person_model=wrong, people_from="search")
    with pytest.raises(DetectorError, match=r"must be \(1, N, 5\)"):
        load_detector("onnx", options).detect(image)
    vectors = DetectorOptions(pose_model=simcc, person_model=simcc, people_from="search")
    with pytest.raises(DetectorError, match=r"must be \(1, N, 5\)"):
        load_detector("onnx", vectors).detect(image)


# Kinds and options


def test_an_unknown_kind_or_a_wrong_option_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="no detector 'openpose': known are movenet"):
        load_detector("openpose")
    for wrong in ({"people_from": "x"}, {"detector_layout": "coco"}, {"detected_people": -1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            DetectorOptions(**wrong)


def test_without_its_weights_the_simulation_detector_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(simulation, "WEIGHTS", tmp_path)
    with pytest.raises(DetectorError, match="sim_boxes.onnx: no such file"):
        load_detector("simulation")


@pytest.mark.parametrize("kind", ["rtm", "mediapipe"])
def test_a_missing_library_is_a_sentence_that_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    library = {"rtm": "rtmlib"}.get(kind, kind)
    monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / "file.task").touch()
    with pytest.raises(DetectorError, match=f"pip install {library}"):
        load_detector(kind, DetectorOptions(pose_model=str(tmp_path / "file.task")))


# RTMPose and RTMO, by the real rtmlib where it is installed


def test_rtmpose_finds_the_spot_in_the_boxes_of_yolox(
    image: np.ndarray, simcc: str, tmp_path: Path
) -> None:
    pytest.importorskip("rtmlib", reason="needs the extra rtm")
    search = boxes(tmp_path / "yolox.onnx", (180, 130, 220, 170, 0.9), (0, 0, 40, 40, 0.2))
    detector = load_detector("rtm", DetectorOptions(pose_model=simcc, person_model=search))
    assert "yolox.onnx and rtmpose.onnx by rtmlib" in detector.describe()
    found = detector.detect(image)
    assert found.points.shape == (1, 17, 2) and found.points.dtype == np.float32
    np.testing.assert_allclose(found.points[0, 8], SPOT, atol=2)
    assert ((found.scores > 0) & (found.scores <= 1)).all()
    nobody = boxes(tmp_path / "none.onnx", (180, 130, 220, 170, 0.1))
    detector = load_detector("rtm", DetectorOptions(pose_model=simcc, person_model=nobody))
    assert detector.detect(image).points.shape == (0, 17, 2)


def test_rtmo_finds_people_by_itself(image: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("rtmlib", reason="needs the extra rtm")
    points = np.full((1, 2, 17, 3), 0.9)
    points[..., :2] = SPOT / 2
    for score, count in ((0.9, 1), (0.05, 0)):
        path = write_constant(
            tmp_path / "any_name.onnx",
            (320, 320),
            dets=np.array([[[180, 130, 220, 170, score], [0, 0, 9, 9, 0.05]]]),
            keypoints=points,
        )
        detector = load_detector("rtm", DetectorOptions(pose_model=path))
        found = detector.detect(image)
        assert len(found.points) == count
        np.testing.assert_allclose(found.points, np.tile(SPOT, (count, 17, 1)), atol=1e-3)


def test_rtmo_is_told_from_rtmpose_by_its_outputs_whatever_the_file_is_called(
    simcc: str, tmp_path: Path
) -> None:
    people = {"dets": np.zeros((1, 2, 5)), "keypoints": np.zeros((1, 2, 17, 3))}
    rtmo = write_constant(tmp_path / "end2end.onnx", (320, 320), **people)
    named_so = str(Path(simcc).with_name("rtmo.onnx"))
    Path(simcc).rename(named_so)
    assert finds_people_itself(open_session(Path(rtmo), 1))
    assert not finds_people_itself(open_session(Path(named_so), 1))


def test_rtm_without_files_asks_for_them_and_downloads_only_when_told(
    monkeypatch: pytest.MonkeyPatch, simcc: str, tmp_path: Path
) -> None:
    rtmlib = pytest.importorskip("rtmlib", reason="needs the extra rtm")
    asked: list[str] = []

    def refuse(url: str, **_: object) -> str:
        asked.append(url)
        raise OSError("no network")

    monkeypatch.setattr(sys.modules[rtmlib.RTMPose.__mro__[1].__module__], "download_checkpoint",
                        refuse)  # fmt: skip
    with pytest.raises(DetectorError, match="set pose_model.*or set download"):
        load_detector("rtm")
    with pytest.raises(DetectorError, match="set person_model"):
        load_detector("rtm", DetectorOptions(pose_model=simcc))
    absent = str(tmp_path / "absent.onnx")
    with pytest.raises(DetectorError, match="absent.onnx: no such file"):
        load_detector("rtm", DetectorOptions(pose_model=simcc, person_model=absent))
    assert not asked
    with pytest.raises(DetectorError, match="could not download its files .*no network"):
        load_detector("rtm", DetectorOptions(download=True))
    assert asked


# MediaPipe, by the real library where it is installed


def test_landmarks_become_pixels_and_visibility_the_score() -> None:
    poses = [[SimpleNamespace(x=0.5, y=0.25, visibility=0.7)] * 33]
    found = read_landmarks(poses, 640, 480)
    np.testing.assert_allclose(found.points, np.tile([320.0, 120.0], (1, 33, 1)))
    np.testing.assert_allclose(found.scores, np.full((1, 33), 0.7))
    assert read_landmarks([], 640, 480).points.shape == (0, 33, 2)


def test_a_missing_or_broken_task_file_says_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="get pose_landmarker_full.task at https"):
        load_detector("mediapipe")
    with pytest.raises(DetectorError, match="absent.task: no such file"):
        load_detector("mediapipe", DetectorOptions(pose_model=str(tmp_path / "absent.task")))
    pytest.importorskip("mediapipe", reason="needs the extra mediapipe")
    broken = tmp_path / "broken.task"
    broken.write_bytes(b"no task")
    with pytest.raises(DetectorError, match="broken.task: no pose landmarker"):
        load_detector("mediapipe", DetectorOptions(pose_model=str(broken)))


def test_mediapipe_finds_in_real_video_what_its_networks_find_on_onnx_runtime(
    tmp_path: Path,
) -> None:
    theirs = load_detector("mediapipe", DetectorOptions(pose_model=write_task(tmp_path / "p.task")))
    ours = load_detector("blazepose")
    assert theirs.layout == ours.layout and "p.task by MediaPipe" in theirs.describe()
    body = slice(11, 33)  # without the face, which is a few pixels wide
    for _, image in itertools.islice(video_images(sample_video_path(), None).frames(), 0, 12, 4):
        one, other = theirs.detect(image), ours.detect(image)
        assert len(one.points) == len(other.points) == 1
        apart = np.linalg.norm(one.points[0, body] - other.points[0, body], axis=-1)
        assert np.median(apart) < 0.03 * np.ptp(one.points[0, :, 1])
        assert one.scores.max() > 0.99
