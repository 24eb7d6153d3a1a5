"""Keypoint files as detectors write them: found by content, and all of them the same people."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Command
from detector_files import (
    FRAMES,
    SIZE,
    WRITERS,
    coco_clip,
    mediapipe_landmarks,
    people,
    same_people,
    triplets,
    write_openpose,
    write_predictions,
    write_yolo,
)

from pstmo_core.keypoints.clip import Clip, ClipError, load_clip
from pstmo_core.keypoints.formats import reading


@pytest.fixture(scope="module")
def truth() -> Clip:
    return coco_clip(FRAMES)


@pytest.mark.parametrize("writer", WRITERS)
def test_json_of_every_detector_holds_the_same_people(
    writer: str, truth: Clip, tmp_path: Path
) -> None:
    path = tmp_path / "anything.json"
    path.write_text(json.dumps(WRITERS[writer](truth)))
    clip = load_clip(path, fps=30, size=SIZE)
    same_people(clip, truth)
    assert len(clip.ids) == 2, "each person has one id, where the file has none from the tracker"
    seen = clip.scores[np.isfinite(clip.keypoints).all(-1)]
    np.testing.assert_allclose(seen, 0.75, atol=1e-6)
    np.testing.assert_allclose(np.diff(clip.stamps), 1e9 / 30, atol=1)


def test_a_folder_of_openpose_is_read_with_the_frames_in_which_nobody_is(
    truth: Clip, tmp_path: Path, pstmo: Command
) -> None:
    write_openpose(tmp_path, truth, nobody_in=9)
    clip = load_clip(tmp_path, fps=30, size=SIZE)
    assert clip.layout == "body25" and len(clip) == FRAMES and len(clip.ids) == 2
    assert not clip.present(9).any() and clip.present(10).all()
    joints = clip.frame(0)
    expected = truth.frame(0)
    wrist = 13
    assert {tuple(p) for p in joints.points[:, wrist].round(1)} == {
        tuple(p) for p in expected.points[:, wrist].round(1)
    }
    code, _, err = pstmo("lift", tmp_path, "-o", tmp_path / "out.npz", "--fps", 30, "--size", *SIZE)
    assert code == 0, err


def test_body_25b_is_told_from_body_25_by_where_its_points_lie(truth: Clip, tmp_path: Path) -> None:
    """Both have 25 points; read as the other, hips become elbows."""
    for frame in range(FRAMES):
        content = {"people": [
            {"pose_keypoints_2d": [*triplets(p, s), *[0.0] * 24]}
            for _, p, s in people(truth, frame)
        ]}  # fmt: skip
        (tmp_path / f"v_{frame:012}_keypoints.json").write_text(json.dumps(content))
    (tmp_path / "._v_000000000000_keypoints.json").write_bytes(b"\0\5")  # as macOS leaves them
    clip = load_clip(tmp_path, fps=30, size=SIZE)
    assert clip.layout == "body25b"
    cut = Clip(clip.keypoints[:, :, :17], clip.scores[:, :, :17], clip.stamps, *SIZE, "coco17",
               clip.ids)  # fmt: skip
    same_people(cut, truth)


def test_a_folder_with_a_file_for_each_frame_is_one_clip(
    truth: Clip, tmp_path: Path, pstmo: Command
) -> None:
    folders = {name: tmp_path / name for name in ("predictions", "labels", "tracked")}
    for folder in folders.values():
        folder.mkdir()
    write_predictions(folders["predictions"], truth)
    write_yolo(folders["labels"], truth)
    write_yolo(folders["tracked"], truth, tracked=True)
    for folder in folders.values():
        clip = load_clip(folder, fps=30, size=SIZE)
        same_people(clip, truth)
    assert clip.ids == ("1", "2")
    options = ("-o", tmp_path / "out.npz", "--fps", 30, "--size", *SIZE)
    code, _, err = pstmo("lift", folders["labels"], *options)
    assert code == 0, err
    (folders["labels"] / "walk2_1.txt").write_text("0 0.5 0.5\n")
    with pytest.raises(ClipError, match="walk2_1.txt, line 1: has 3 numbers, not those of a pose"):
        load_clip(folders["labels"], fps=30, size=SIZE)
    whole = json.dumps(WRITERS["coco_results"](truth))
    (folders["predictions"] / "000003.json").write_text(whole)
    with pytest.raises(ClipError, match="000003.json: holds several frames"):
        load_clip(folders["predictions"], fps=30, size=SIZE)


def test_compressed_files_lines_of_json_and_single_arrays_are_read(
    truth: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = WRITERS["coco_results"](truth)
    lines = "\r\n".join(map(json.dumps, results)).encode()
    packed = gzip.compress(json.dumps(results).encode())
    for name, data in (
        ("a.json.gz", packed), ("b.jsonl", b"\xef\xbb\xbf" + lines), ("c.txt", lines),
        ("d.json", json.dumps(results).encode("utf-16")),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
        same_people(load_clip(tmp_path / name, fps=30, size=SIZE), truth)
    first = np.concatenate([truth.keypoints[:, 0], truth.scores[:, 0, :, None]], -1)
    np.save(tmp_path / "e.npy", first)
    clip = load_clip(tmp_path / "e.npy", fps=30, size=SIZE, layout="coco17")
    np.testing.assert_allclose(clip.keypoints[:, 0], truth.keypoints[:, 0], atol=0.01)
    (tmp_path / "f.json.gz").write_bytes(packed[:-40])
    with pytest.raises(ClipError, match="is cut off: copy it again"):
        load_clip(tmp_path / "f.json.gz", fps=30, size=SIZE)
    monkeypatch.setattr(reading, "MOST_BYTES", 10_000)
    with pytest.raises(ClipError, match="cut it into parts"):
        load_clip(tmp_path / "a.json.gz", fps=30, size=SIZE)
    for name, sign in (("g.h5", b"\x89HDF\r\n"), ("h.pkl", pickle.dumps(1))):
        (tmp_path / name).write_bytes(sign)
        with pytest.raises(ClipError, match="is not read: export CSV or JSON"):
            load_clip(tmp_path / name, fps=30, size=SIZE)


def test_frames_say_their_time_and_heads_of_files_rate_and_size(tmp_path: Path) -> None:
    landmarks = [[dict(zip("xyz", row, strict=False)) for row in frame]
                 for frame in mediapipe_landmarks().tolist()]  # fmt: skip
    path = tmp_path / "file.json"
    timed = [{"timestamp_ms": 40 * f, "pose_landmarks": [e]} for f, e in enumerate(landmarks)]
    path.write_text(json.dumps(timed))
    assert np.diff(load_clip(path, size=(720, 1280)).stamps).tolist() == [40_000_000] * 2
    whole = {
        "fps": 25,
        "width": 720,
        "height": 1280,
        "frames": [{"landmarks": e} for e in landmarks],
    }
    path.write_text(json.dumps(whole))
    clip = load_clip(path)
    assert np.diff(clip.stamps).tolist() == [40_000_000] * 2
    assert (clip.width, clip.height) == (720, 1280)


def test_mediapipes_landmarks_are_read_as_objects_and_numbers_in_shares_of_the_image(
    tmp_path: Path,
) -> None:
    numbers = mediapipe_landmarks()
    pixels = numbers[..., :2] * (720, 1280)
    objects = [[dict(zip(("x", "y", "z", "visibility"), row, strict=True)) for row in frame]
               for frame in numbers.tolist()]  # fmt: skip
    forms = {
        "numbers": numbers.tolist(),
        "flat": numbers.reshape(len(numbers), -1).tolist(),
        "objects": objects,
        "holders": [{"pose_landmarks": frame} for frame in objects],
        "tasks": [{"pose_landmarks": [frame]} for frame in objects],
        "gaps": [objects[0], None, [], *objects[1:]],
    }
    for name, content in forms.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content))
        clip = load_clip(path, fps=5, size=(720, 1280))
        there = clip.present(slice(None)).any(-1)
        assert there.tolist() == [True, *([False] * 2 if name == "gaps" else []), True, True]
        np.testing.assert_allclose(clip.keypoints[there, 0], pixels[..., :2], atol=0.01)
        assert "taken as shares of an image of 720 x 1280" in clip.notes[0]
        np.testing.assert_allclose(clip.scores[there], 0.9, atol=1e-6)
        with pytest.raises(ClipError, match="give the image size"):
            load_clip(path, fps=5)


def test_people_without_a_point_are_nobody(truth: Clip, tmp_path: Path) -> None:
    path = tmp_path / "points.json"
    entries = WRITERS["coco_results"](truth)
    nobody = [dict(entry, keypoints=[0] * 51, track_id=9) for entry in entries]
    path.write_text(json.dumps(entries + nobody))
    same_people(load_clip(path, fps=30, size=SIZE), truth)
    path.write_text(json.dumps(nobody))
    with pytest.raises(ClipError, match=f"holds nobody in any of {FRAMES} frames"):
        load_clip(path, fps=30, size=SIZE)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([{"image_id": "x.jpg", "keypoints": [1, 2, 3]}], "holds no number of a frame"),
        ([{"image_id": 1, "keypoints": [1, 2, 3, 4]}], "1 points|shape|scores|2 points"),
        ([{"image_id": 1, "keypoints": "abc"}], "not a regular list of numbers"),
        ({"instance_info": [{"frame_id": 1}]}, "breaks its format, MMPose"),
        ({"people": [{"pose_keypoints_2d": [[1]]}]}, "shape|points"),
        ({"weather": "fine"}, "of no known format. Read are OpenPose.*docs/formats.md"),
        ([[{"x": 1, "y": 2}]], "has 1 landmarks, but a pose has 33"),
        ([{"image_id": 10**14, "keypoints": [5, 6, 1] * 17},
          {"image_id": 1, "keypoints": [5, 6, 1] * 17}], "the last frame has the number"),
        ([{"image_id": 1, "keypoints": [5, 6, 1] * 17},
          {"image_id": 2, "keypoints": [5, 6, 1] * 18}], "entry 1: has 18 points, but others"),
    ],
    ids=range(9),
)  # fmt: skip
def test_a_file_that_breaks_its_format_is_answered_in_one_sentence(
    content: Any, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ClipError, match=why) as error:
        load_clip(path, fps=30, size=SIZE)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
