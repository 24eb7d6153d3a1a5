"""Keypoint files as detectors write them: found by content, and all of them the same people."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Command
from detector_files import (
    NAMES,
    SIZE,
    WRITERS,
    coco_clip,
    deeplabcut_rows,
    mediapipe_landmarks,
    people,
    table_rows,
    triplets,
    write_openpose,
    write_rows,
    write_videopose3d,
)

from pstmo_core.keypoints.clip import Clip, ClipError, load_clip
from pstmo_core.keypoints.formats import reading
from pstmo_core.keypoints.npz import bounded

FRAMES = 20


@pytest.fixture(scope="module")
def truth() -> Clip:
    return coco_clip(FRAMES)


def same_people(clip: Clip, truth: Clip) -> None:
    """Each frame has the same people; their ids may be others."""
    assert (clip.layout, clip.width, clip.height) == ("coco17", *SIZE)
    assert len(clip) == len(truth)
    for frame in range(len(truth)):
        found = [clip.keypoints[frame, p] for p in np.flatnonzero(clip.present(frame))]
        expected = [truth.keypoints[frame, p] for p in np.flatnonzero(truth.present(frame))]
        assert len(found) == len(expected)
        for points in expected:
            assert min(float(np.abs(points - each).max()) for each in found) < 0.01


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


def test_videopose3ds_npz_is_read_without_running_its_pickle(truth: Clip, tmp_path: Path) -> None:
    points = truth.keypoints[:, 0]
    facts = {"layout_name": "coco", "video_metadata": {"a.mp4": {"w": SIZE[0], "h": SIZE[1]}}}
    path = tmp_path / "data_2d_custom_x.npz"
    write_videopose3d(path, truth)
    clip = load_clip(path, fps=50)
    assert (clip.width, clip.height, clip.layout, clip.ids) == (*SIZE, "coco17", ("p0",))
    np.testing.assert_allclose(clip.keypoints[:, 0], points)
    np.savez(path, positions_2d={"a": {"custom": [points]}, "b": {"custom": []}}, metadata=facts)
    with pytest.raises(ClipError, match="holds 2 videos"):
        load_clip(path, fps=50)

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    assert pickle.dumps(Hostile())
    np.savez(path, positions_2d=np.array(Hostile(), dtype=object), metadata=facts)
    with pytest.raises(ClipError):
        load_clip(path, fps=50)
    assert not (tmp_path / "ran").exists()


HEADERS: dict[str, Callable[[str, str], str]] = {
    "name_axis": lambda name, axis: f"{name}_{axis}",
    "axis_name": lambda name, axis: f"{axis}_{name}",
    "dotted": lambda name, axis: f"{name}.{'score' if axis == 's' else axis}",
    "number": lambda name, axis: f"{axis}{NAMES.index(name)}",
    "kp": lambda name, axis: f"kp{NAMES.index(name)}_{'conf' if axis == 's' else axis}",
}


@pytest.mark.parametrize("header", HEADERS)
def test_tables_name_their_columns(header: str, truth: Clip, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    write_rows(path, table_rows(truth, HEADERS[header]), ";" if header == "dotted" else ",")
    clip = load_clip(path, size=SIZE)
    same_people(clip, truth)
    assert clip.ids == ("id0", "id1")
    assert clip.stamps.tolist() == [frame * 40_000_000 for frame in range(FRAMES)]


def test_deeplabcuts_and_sleaps_tables_are_read(truth: Clip, tmp_path: Path) -> None:
    both = [
        [value for _, p, s in people(truth, f) for value in triplets(p, s)] for f in range(FRAMES)
    ]
    path = tmp_path / "dlc.csv"
    one = deeplabcut_rows(truth)
    heads = one[:3]
    write_rows(path, one)
    clip = load_clip(path, fps=30, size=SIZE)
    np.testing.assert_allclose(clip.keypoints[:, 0], truth.keypoints[:, 0], atol=0.01)
    several = [[row[0], *row[1:], *row[1:]] for row in heads]
    several.insert(1, ["individuals", *["ann"] * 51, *["bob"] * 51])
    rows = [[f, *row, *[""] * (102 - len(row))] for f, row in enumerate(both)]
    write_rows(path, [*several, *rows])
    clip = load_clip(path, fps=30, size=SIZE)
    assert clip.ids == ("ann", "bob")
    same_people(clip, truth)
    sleap = [["track", "frame_idx", "instance.score",
              *(f"{n}.{a}" for n in NAMES for a in ("x", "y", "score"))]]  # fmt: skip
    sleap += [[f"track_{i}", f, 0.9, *triplets(p, s)]
              for f in range(FRAMES) for i, p, s in people(truth, f)]  # fmt: skip
    write_rows(path, sleap)
    same_people(load_clip(path, fps=30, size=SIZE), truth)


def test_scores_and_stamps_of_other_units_are_told_and_said(truth: Clip, tmp_path: Path) -> None:
    def saved(**changes: Any) -> Clip:
        whole = {"keypoints": truth.keypoints, "scores": truth.scores, "layout": "coco17",
                 "stamps": truth.stamps / 1e9, "width": SIZE[0], "height": SIZE[1]}  # fmt: skip
        np.savez(tmp_path / "c.npz", **(whole | changes))
        return load_clip(tmp_path / "c.npz")

    assert saved().notes == ()
    percent = saved(scores=truth.scores * 100)
    np.testing.assert_allclose(percent.scores, truth.scores, atol=1e-6)
    assert "percents" in percent.notes[0]
    flags = saved(scores=np.where(truth.scores > 0, 2, 0))
    assert flags.scores.max() == 1 and "COCO's visibility" in flags.notes[0]
    heatmap = saved(scores=truth.scores * 2)
    assert heatmap.scores.max() == 1 and "count as 1" in heatmap.notes[0]
    for unit, name in ((1e-6, "milliseconds"), (1e-3, "microseconds")):
        clip = saved(stamps=truth.stamps * unit)
        np.testing.assert_allclose(clip.stamps, truth.stamps, atol=2000)
        assert clip.notes == (f"stamps were taken as {name}",)
    shares = saved(keypoints=truth.keypoints / np.float32(SIZE))
    np.testing.assert_allclose(shares.keypoints, truth.keypoints, atol=0.01)
    with pytest.raises(ClipError, match="around 0 that are neither pixels nor shares"):
        saved(keypoints=truth.keypoints / np.float32(SIZE) * 2 - 1)


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


def test_sizes_are_bounded_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.npz"
    with path.open("wb") as file:
        np.savez_compressed(file, keypoints=np.zeros((100, 17, 2)))
    data = path.read_bytes()
    monkeypatch.setattr(bounded, "MOST_BYTES", 1000)
    with pytest.raises(bounded.NpzError, match="GB of arrays or more"):
        bounded.read_plain_npz(path, 1000)
    head = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6, 17, 2)}
    with zipfile.ZipFile(path, "w") as archive, archive.open("keypoints.npy", "w") as opened:
        np.lib.format.write_array_header_1_0(opened, head)  # type: ignore[arg-type]
    assert len(data) > path.stat().st_size
    with pytest.raises(ClipError, match="cut it into parts"):
        load_clip(path)
    monkeypatch.setattr(reading, "MOST_BYTES", 10)
    (tmp_path / "long.json").write_text("[" * 1000)
    with pytest.raises(ClipError, match="cut it into parts"):
        load_clip(tmp_path / "long.json")
