import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pstmo_core.keypoints.clip import Clip, ClipError, load_clip, sample_path, save_clip
from pstmo_core.keypoints.frame import keypoint_frame

DATA = Path(__file__).parents[1] / "data"
FRAMES, PEOPLE = 6, 2


def fields(**changes: Any) -> dict[str, Any]:
    """The keys of a good npz; None takes one away."""
    random = np.random.default_rng(0)
    whole: dict[str, Any] = {
        "keypoints": random.uniform(0.1, 0.9, (FRAMES, PEOPLE, 17, 3)).astype(np.float32)
        * np.float32([400, 400, 1]),
        "stamps": np.arange(FRAMES) * 0.04,
        "width": 640,
        "height": 480,
        "layout": "coco17",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "clip.npz"
    np.savez(path, **fields(**changes))
    return path


def test_an_npz_is_read_as_its_keys_say(tmp_path: Path) -> None:
    truth = np.ones((FRAMES, PEOPLE, 17, 3))
    clip = load_clip(written(tmp_path, ids=np.array(["ann", "bob"]), truth=truth))
    np.testing.assert_array_equal(clip.keypoints, fields()["keypoints"][..., :2])
    np.testing.assert_array_equal(clip.scores, fields()["keypoints"][..., 2])
    assert clip.stamps.tolist() == [
        0,
        40_000_000,
        80_000_000,
        120_000_000,
        160_000_000,
        200_000_000,
    ]
    assert (clip.width, clip.height, clip.layout) == (640, 480, "coco17")
    assert clip.ids == ("ann", "bob")
    assert clip.truth is not None
    assert clip.truth.dtype == np.float32


def test_scores_ids_and_stamps_have_defaults(tmp_path: Path) -> None:
    keypoints = fields()["keypoints"][..., :2].copy()
    keypoints[0, 1, 3, 0] = np.inf
    clip = load_clip(written(tmp_path, keypoints=keypoints, stamps=None, fps=50.0))
    assert clip.ids == ("p0", "p1")
    assert clip.stamps.tolist() == [20_000_000 * frame for frame in range(FRAMES)]
    assert np.isnan(clip.keypoints[0, 1, 3]).all()
    assert clip.scores[0, 1, 3] == 0
    assert clip.scores.sum() == clip.scores.size - 1


def test_one_person_needs_no_axis_of_people(tmp_path: Path) -> None:
    one = {"keypoints": fields()["keypoints"][:, 0], "truth": np.zeros((FRAMES, 17, 3))}
    clip = load_clip(written(tmp_path, **one))
    assert clip.keypoints.shape == (FRAMES, 1, 17, 2)
    assert clip.truth is not None
    assert clip.truth.shape == (FRAMES, 1, 17, 3)


def test_stamps_may_go_back_as_they_were_recorded(tmp_path: Path) -> None:
    stamps = np.array([5.0, 5.1, 5.1, 4.0, 9.0, 0.0])
    clip = load_clip(written(tmp_path, stamps=stamps))
    assert clip.stamps.tolist() == [round(s * 1e9) for s in stamps]


def test_what_is_given_wins_over_the_file(tmp_path: Path) -> None:
    clip = load_clip(written(tmp_path), fps=10, size=(100, 50), layout="h36m17")
    assert (clip.stamps[1], clip.width, clip.height) == (100_000_000, 100, 50)
    assert clip.layout == "h36m17"


def test_a_saved_clip_is_read_back_the_same(tmp_path: Path) -> None:
    clip = load_clip(sample_path())
    save_clip(clip, tmp_path / "again.npz")
    again = load_clip(tmp_path / "again.npz")
    for name in ("keypoints", "scores", "stamps", "truth"):
        np.testing.assert_array_equal(getattr(again, name), getattr(clip, name))
    for name in ("width", "height", "layout", "ids"):
        assert getattr(again, name) == getattr(clip, name)


def test_a_frame_holds_those_of_whom_a_point_is_known(tmp_path: Path) -> None:
    keypoints = fields()["keypoints"].copy()
    keypoints[2, 0] = np.nan
    keypoints[3, 0, 1:] = np.nan
    clip = load_clip(written(tmp_path, keypoints=keypoints))
    assert clip.frame(1).ids == ("p0", "p1")
    assert clip.frame(2).ids == ("p1",)
    assert clip.frame(3).ids == ("p0", "p1")
    assert clip.frame(2).points.shape == (1, 17, 2)
    assert (clip.frame(2).stamp, clip.frame(2).width, clip.frame(2).height) == (
        80_000_000,
        640,
        480,
    )


@pytest.mark.parametrize(
    ("name", "layout", "points"),
    [
        ("tfjs_coco17.json", "coco17", 17),
        ("gastnet_coco17.json", "coco17", 17),
        ("blazepose33.json", "blazepose33", 33),
    ],
)
def test_real_json_says_its_layout_and_is_given_rate_and_size(
    name: str, layout: str, points: int
) -> None:
    clip = load_clip(DATA / name, fps=30, size=(1280, 1280))
    assert clip.layout == layout
    assert clip.keypoints.shape == (3, 1, points, 2)
    assert clip.stamps.tolist() == [0, 33_333_333, 66_666_667]
    assert (clip.frame(0).scores > 0).all()
    with pytest.raises(ClipError, match=r"give the frame rate \(fps\)"):
        load_clip(DATA / name, size=(1280, 1280))
    with pytest.raises(ClipError, match="give the image size"):
        load_clip(DATA / name, fps=30)


def test_gastnets_scores_people_and_frame_numbers_are_kept(tmp_path: Path) -> None:
    content = json.loads((DATA / "gastnet_coco17.json").read_text())
    content["data"][1]["skeleton"] = []
    content["data"][2]["skeleton"] *= 2
    content["data"][2]["frame_index"] = 11
    path = tmp_path / "people.json"
    path.write_text(json.dumps(content))
    clip = load_clip(path, fps=10, size=(1280, 1280))
    assert [clip.frame(i).ids for i in range(3)] == [("p0",), (), ("p0", "p1")]
    assert clip.stamps.tolist() == [0, 100_000_000, 1_000_000_000]
    assert clip.scores[0, 0, 0] == pytest.approx(content["data"][0]["skeleton"][0]["score"][0][0])


def test_blazeposes_depth_is_no_score() -> None:
    depth = np.array(json.loads((DATA / "blazepose33.json").read_text()))[..., 2]
    assert depth.min() < 0
    clip = load_clip(DATA / "blazepose33.json", fps=5, size=(720, 1280))
    assert (clip.scores == 1).all()


def test_lists_of_seventeen_points_fit_two_layouts_so_the_layout_is_asked_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps(np.ones((2, 17, 2)).tolist()))
    with pytest.raises(ClipError, match="give the layout, one of coco17, h36m17"):
        load_clip(path, fps=25, size=(9, 9))
    assert load_clip(path, fps=25, size=(9, 9), layout="coco17").layout == "coco17"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keypoints": None}, "has no key 'keypoints', only .*'height', 'layout'"),
        ({"keypoints": np.ones((6, 17))}, r"shape \(6, 17\), but must have \(frames, people"),
        ({"keypoints": np.ones((6, 2, 17, 4))}, "but must have"),
        (
            {"keypoints": np.ones((6, 2, 18, 2))},
            "18 points per person, but .* coco17 has 17",
        ),
        ({"keypoints": np.full((6, 2, 17, 2), "x")}, "keypoints holds <U1, but must hold numbers"),
        ({"keypoints": np.ones((0, 2, 17, 2)), "stamps": np.ones(0)}, "has no frames"),
        ({"stamps": np.array([0, 1, 2, np.nan, 4, 5])}, "stamp 3 is nan, but .* finite seconds"),
        ({"stamps": np.arange(6) * 1e18}, "stamp 1 is 1e.18, but stamps must be finite seconds"),
        ({"stamps": np.arange(5.0)}, r"stamps has the shape \(5,\), but .* ask for \(6,\)"),
        ({"stamps": None}, "has no time stamps: give the frame rate"),
        ({"stamps": None, "fps": 0.0}, "fps is 0.0, but must be a number above 0"),
        ({"stamps": None, "fps": np.nan}, "fps is nan"),
        ({"width": 0}, "width is 0, but must be a whole number of pixels above 0"),
        ({"height": -480}, "height is -480"),
        ({"width": np.nan}, "width is nan"),
        ({"width": np.ones(2)}, "must be one number"),
        ({"height": None}, "does not say the image's height: give the image size"),
        ({"layout": "coco18"}, "no layout is named 'coco18': did you mean coco17"),
        ({"ids": np.array(["a", "a"])}, "must be 2 different names"),
        ({"ids": np.array(["a"])}, "must be 2 different names"),
        (
            {"ids": np.array(["a", "b" * 9999])},
            "is 'b+'... .9999 characters., but has at most 1024",
        ),
        ({"truth": np.ones((6, 17, 3))}, r"truth has the shape .* ask for \(6, 2, 17, 3\)"),
        ({"scores": np.ones((6, 17))}, "scores has the shape"),
        ({"ids": np.array(["a", None])}, "other than plain arrays"),
    ],
)
def test_a_wrong_npz_is_answered_with_what_is_wrong_and_where(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(ClipError, match=f"^{re.escape(str(path))}: .*{message}") as caught:
        load_clip(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 1, 3, 200, 2000, -30])
def test_a_truncated_npz_is_answered(tmp_path: Path, kept: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ClipError, match="again"):
        load_clip(path)


def test_a_missing_file_and_a_folder_are_answered(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"nowhere\.npz: cannot be read .*No such file"):
        load_clip(tmp_path / "nowhere.npz")
    with pytest.raises(ClipError, match="holds 0 files .*_keypoints.json"):
        load_clip(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: record or copy it again"),
        ("[[[1, 2], [3, ", "neither npz nor valid JSON"),
        ("\x93NUMPY", "neither npz nor valid JSON"),
        ("3", "no known format"),
        ("[]", "no known format"),
        ('{"people": []}', "holds nobody in any of 1 frames"),
        ("[[1, 2], [3, 4]]", "must hold"),
        ("[[[1, 2], [3]]]", "not a regular list of numbers"),
        ('[{"left_tail": {"x": 1, "y": 2}}]', "names points of no known layout: .'ltail'"),
        ('[{"nose": {"x": 1}}]', "frame 0, point nose"),
        ('[{"nose": 7}]', "frame 0, point nose"),
        ('{"data": [{"bones": 1}]}', "breaks its format"),
        ('{"data": []}', "holds nobody in any of 0 frames"),
        (
            '{"data": [{"skeleton": [{"pose": [[1, 2]], "score": [1]}]}]}',
            "1 points per person, but",
        ),
    ],
)
def test_wrong_json_is_answered(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "clip.json"
    path.write_text(text)
    with pytest.raises(ClipError, match=message):
        load_clip(path, fps=30, size=(640, 480), layout="coco17")


def test_a_clip_made_by_hand_is_held_to_the_same_rules() -> None:
    good = load_clip(sample_path())
    with pytest.raises(ClipError, match="0 x 720"):
        Clip(good.keypoints, good.scores, good.stamps, 0, 720, good.layout, good.ids)


@pytest.mark.parametrize("value", [(0, 0), (-1, -1), (0, -1), (np.nan, np.nan)])
def test_points_that_a_detector_writes_where_it_found_nothing_are_not_seen(
    value: tuple[float, float],
) -> None:
    clip = load_clip(sample_path())
    points, scores = clip.keypoints[0], np.ones_like(clip.scores[0])
    points[:, 3] = value
    points[1] = points[0]
    frame = keypoint_frame(0, clip.ids, points, scores, (clip.width, clip.height), clip.layout)
    assert (frame.scores[:, 3] == 0).all()
    assert (frame.scores[0, [2, 4]] > 0).all()
