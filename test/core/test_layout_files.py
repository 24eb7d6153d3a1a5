"""Layouts that users describe: what a file makes of points, and how each fault reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pstmo_core.keypoints.clip import load_clip, sample_path, save_clip
from pstmo_core.keypoints.layouts import LayoutError, get_layout, layout_name
from pstmo_core.skeleton import JOINT_NAMES

#: COCO's points, in another order and under the names that most detectors have for them.
POINTS = (
    "left_ankle, right_ankle, left_knee, right_knee, left_hip, right_hip, left_wrist, right_wrist, "
    "left_elbow, right_elbow, left_shoulder, right_shoulder, left_ear, right_ear, nose"
)


def written(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_usual_names_make_the_joints_as_coco_does(tmp_path: Path) -> None:
    name = layout_name(written(tmp_path, f"points: [{POINTS}]"))
    assert name == "mine"
    mine, coco = get_layout(name), get_layout("coco17")
    points = np.random.default_rng(0).uniform(100, 500, (5, 17, 2)).astype(np.float32)
    order = [coco.joint_names.index(point) for point in mine.joint_names]
    for of_mine, of_coco in zip(
        mine.convert(points[:, order], np.ones((5, 15), np.float32)),
        coco.convert(points, np.ones((5, 17), np.float32)),
        strict=True,
    ):
        np.testing.assert_allclose(of_mine, of_coco, atol=1e-3)


def test_joints_say_what_other_points_make_and_what_is_never_seen(tmp_path: Path) -> None:
    text = f"""
name: lab
points: [{POINTS.replace("right_knee", "kneecap")}, crown]
joints:
  rknee: kneecap
  head: [{{left_ear: 0.5, right_ear: 0.5}}, crown]
  spine: []
"""
    lab = get_layout(layout_name(written(tmp_path, text)))
    points = np.arange(1, 33, dtype=np.float32).reshape(1, 16, 2) * 10
    scores = np.ones((1, 16), np.float32)
    scores[0, 12] = 0  # the left ear
    joints, seen = lab.convert(points, scores)
    of = {joint: row for row, joint in enumerate(JOINT_NAMES)}
    np.testing.assert_array_equal(joints[0, of["rknee"]], points[0, 3])
    np.testing.assert_array_equal(joints[0, of["head"]], points[0, 15])
    assert seen[0, of["spine"]] == 0 and seen[0, of["rknee"]] == 1


def test_a_clip_is_read_by_a_users_layout(tmp_path: Path) -> None:
    clip = load_clip(sample_path())
    path = tmp_path / "clip.npz"
    save_clip(clip, path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name not in ("layout", "truth")}
    np.savez(path, **arrays)
    names = ", ".join(get_layout(clip.layout).joint_names)
    text = f"name: lab\npoints: [{names}]\njoints:\n  hip: hip\n"
    text += "".join(f"  {joint}: []\n" for joint in ("spine", "thorax"))
    known = load_clip(path, layout=clip.layout).frame(0)
    mine = load_clip(path, layout=written(tmp_path, text)).frame(0)
    rows = [row for row, joint in enumerate(JOINT_NAMES) if joint not in ("spine", "thorax")]
    np.testing.assert_allclose(mine.points[:, rows], known.points[:, rows], atol=1e-3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("points: [", "is not YAML"),
        ("[" * 3000, "is not YAML"),
        ("[1, 2]", "must be a mapping with points"),
        ("name: mine", "points must be a list of names"),
        ("points: [1, 2]", "points must be a list of names"),
        ("points: []", "has 0 points"),
        ("points: [nose, Nose]", "points has 'Nose' twice"),
        ("points: [left_knee, lknee]", "points has 'lknee' twice"),
        (f"points: [{POINTS}]\nlayout: coco", "has the key 'layout', but only"),
        (f"name: ''\npoints: [{POINTS}]", "name is ''"),
        (f"name: coco17\npoints: [{POINTS}]", "as a layout that is known: rename it"),
        ("points: [nose]", "no point makes the joint hip: add `hip: POINT` to joints"),
        (f"points: [{POINTS}]\njoints: [rknee]", "joints must be a mapping"),
        (f"points: [{POINTS}]\njoints: {{knee: nose}}", "joints has 'knee', but joints are hip"),
        (f"points: [{POINTS}]\njoints: {{hip: left_hp}}", "did you mean left_hip?"),
        (f"points: [{POINTS}]\njoints: {{hip: 3}}", "hip is made by '?3"),
        (f"points: [{POINTS}]\njoints: {{hip: {{nose: a}}}}", "nose is 'a', not a number"),
        (f"points: [{POINTS}]\njoints: {{hip: {{nose: .nan}}}}", "must be finite"),
        (f"points: [{POINTS}]\njoints: {{hip: {{nose: 0.4}}}}", "sum to 0.4, but must sum to 1"),
    ],
    ids=range(19),
)  # fmt: skip
def test_each_fault_is_a_sentence_that_names_the_file(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(LayoutError, match=says.replace("(", r"\(")) as fault:
        layout_name(path)
    assert path in str(fault.value)


def test_a_missing_or_huge_file_is_a_sentence_and_a_name_in_a_message_reads_no_file(
    tmp_path: Path,
) -> None:
    with pytest.raises(LayoutError, match="cannot be read: No such file"):
        layout_name(str(tmp_path / "absent.yaml"))
    with pytest.raises(LayoutError, match="larger than 100000 bytes"):
        layout_name(written(tmp_path, "#" * 200_000))
    with pytest.raises(LayoutError, match="no layout is named"):
        get_layout(written(tmp_path, f"points: [{POINTS}]"))
