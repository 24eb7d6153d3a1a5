import json
from pathlib import Path

import numpy as np
import pytest

from pstmo_core.keypoints.layouts import LAYOUTS, LayoutError, get_layout
from pstmo_core.skeleton import JOINT_NAMES, PARENTS, mirror_order

DATA = Path(__file__).parents[1] / "data"
DETECTORS = [
    "coco17", "openpose18", "body25", "halpe26", "blazepose33", "wholebody133", "halpe136", "zed34",
    "zed38", "body25b",
]  # fmt: skip
JOINT = {name: index for index, name in enumerate(JOINT_NAMES)}


def seen(points: np.ndarray) -> np.ndarray:
    return np.ones(points.shape[:-1], dtype=np.float32)


def convert3d(layout: str, points: np.ndarray) -> np.ndarray:
    """Convert (..., J, 3): a weighted sum treats x, y and z alike."""
    table, scores = get_layout(layout), seen(points)
    xy, _ = table.convert(points[..., :2], scores)
    yz, _ = table.convert(points[..., 1:], scores)
    return np.concatenate([xy, yz[..., 1:]], -1)


def as_detected(layout: str, poses: np.ndarray) -> np.ndarray:
    """Points of a layout on captured poses (N, 17, 3), as far as these tell: ears at the head."""
    source = {
        **JOINT, "neck": [JOINT["lshoulder"], JOINT["rshoulder"]], "pelvis": JOINT["hip"],
        "midhip": JOINT["hip"], "lear": JOINT["head"], "rear": JOINT["head"],
    }  # fmt: skip
    columns = [
        poses[:, np.atleast_1d(source[name])].mean(1) if name in source else poses[:, JOINT["head"]]
        for name in get_layout(layout).joint_names
    ]
    return np.stack(columns, axis=1)


@pytest.fixture(scope="module")
def poses() -> np.ndarray:
    """Captured poses (N, 17, 3) in metres whose shoulders are where those of people are."""
    with np.load(DATA / "mocap_excerpt.npz") as file:
        keep = np.repeat(file["skeleton"] != "daz", file["clip_len"])
        return file["rel_pos"][keep].astype(np.float32) * np.float32(file["rel_scale"])


@pytest.mark.parametrize("name", LAYOUTS)
def test_weights_of_each_entry_sum_to_one_and_name_points_of_the_layout(name: str) -> None:
    layout = get_layout(name)
    assert tuple(layout.table) == JOINT_NAMES
    for entries in layout.table.values():
        for entry in entries:
            assert sum(entry.values()) == pytest.approx(1.0)
            assert set(entry) <= set(layout.joint_names)


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("coco17", 17),
        ("openpose18", 18),
        ("body25", 25),
        ("halpe26", 26),
        ("blazepose33", 33),
        ("wholebody133", 133),
        ("halpe136", 136),
        ("zed34", 34),
        ("zed38", 38),
        ("h36m17", 17),
    ],
)
def test_each_layout_has_its_number_of_different_points(name: str, points: int) -> None:
    assert len(set(get_layout(name).joint_names)) == points


@pytest.mark.parametrize(
    ("name", "indices"),
    [
        ("coco17", {"nose": 0, "lear": 3, "rshoulder": 6, "lwrist": 9, "rhip": 12, "rankle": 16}),
        ("openpose18", {"neck": 1, "rshoulder": 2, "lwrist": 7, "rhip": 8, "lankle": 13}),
        ("halpe26", {"rear": 4, "lelbow": 7, "rankle": 16, "pelvis": 19, "rheel": 25}),
        ("blazepose33", {"lear": 7, "lshoulder": 11, "rwrist": 16, "lhip": 23, "rankle": 28}),
    ],
)
def test_points_have_the_order_of_the_detectors(name: str, indices: dict[str, int]) -> None:
    assert {point: get_layout(name).joint_names.index(point) for point in indices} == indices


@pytest.mark.parametrize("name", DETECTORS)
def test_only_the_joints_of_the_middle_are_derived(name: str) -> None:
    derived = {
        joint for joint, is_so in zip(JOINT_NAMES, get_layout(name).derived, strict=True) if is_so
    }
    assert derived == {"hip", "spine", "thorax", "neck_nose", "head"}
    assert not any(get_layout("h36m17").derived)


def test_the_identity_changes_nothing() -> None:
    points = np.random.default_rng(0).uniform(0, 900, (4, 2, 17, 2)).astype(np.float32)
    scores = np.random.default_rng(1).uniform(0.1, 1, (4, 2, 17)).astype(np.float32)
    converted, converted_scores = get_layout("h36m17").convert(points, scores)
    np.testing.assert_array_equal(converted, points)
    np.testing.assert_array_equal(converted_scores, scores)


@pytest.mark.parametrize("name", DETECTORS)
def test_derived_joints_lie_where_the_motion_capture_has_them(name: str, poses: np.ndarray) -> None:
    errors = np.linalg.norm(convert3d(name, as_detected(name, poses)) - poses, axis=-1).mean(0)
    allowed = {"spine": 0.030, "thorax": 0.027, "neck_nose": 0.024}
    for joint, error in zip(JOINT_NAMES, errors, strict=True):
        assert error <= allowed.get(joint, 1e-5), f"{joint}: {error * 1000:.1f} mm"


@pytest.mark.parametrize("name", DETECTORS)
def test_the_mirror_image_of_a_person_becomes_the_mirror_image(
    name: str, poses: np.ndarray
) -> None:
    mirrored = poses[::50, mirror_order()] * np.float32([-1, 1, 1])
    straight = convert3d(name, as_detected(name, poses[::50]))
    expected = straight[:, mirror_order()] * np.float32([-1, 1, 1])
    np.testing.assert_allclose(convert3d(name, as_detected(name, mirrored)), expected, atol=1e-6)


def test_a_real_body_gets_the_bone_lengths_of_the_motion_capture() -> None:
    world = np.array(json.loads((DATA / "blazepose33_world.json").read_text()))
    joints = convert3d("blazepose33", world)
    bones = np.linalg.norm(joints - joints[:, np.maximum(PARENTS, 0)], axis=-1).mean(0)
    thigh = (bones[JOINT["rknee"]] + bones[JOINT["lknee"]]) / 2
    ratios = {name: bones[JOINT[name]] / thigh for name in ("spine", "thorax", "neck_nose", "head")}
    # Mean lengths of the training split over its mean thigh, 407 mm.
    captured = {"spine": 266, "thorax": 288, "neck_nose": 99, "head": 101}
    for name, ratio in ratios.items():
        assert ratio == pytest.approx(captured[name] / 407, rel=0.25), name


def test_real_clips_stand_upright_with_their_left_on_the_left() -> None:
    squats = np.array(json.loads((DATA / "blazepose33.json").read_text()))[..., :2]
    frames = json.loads((DATA / "gastnet_coco17.json").read_text())["data"]
    pitcher = np.array([frame["skeleton"][0]["pose"] for frame in frames])
    for name, points in (("blazepose33", squats), ("coco17", pitcher)):
        joints, scores = get_layout(name).convert(points, seen(points))
        assert (scores == 1).all()
        heights = joints[:, [JOINT[n] for n in ("head", "neck_nose", "thorax", "spine", "hip")], 1]
        assert (np.diff(heights, axis=1) > 0).all()  # pixels grow downwards
        for left, right in (("lshoulder", "rshoulder"), ("lhip", "rhip")):  # they face the camera
            assert (joints[:, JOINT[left], 0] > joints[:, JOINT[right], 0]).all()


def test_all_detectors_layouts_agree_on_the_same_points() -> None:
    squats = np.array(json.loads((DATA / "blazepose33.json").read_text()))[..., :2]
    names = get_layout("blazepose33").joint_names
    reference, _ = get_layout("blazepose33").convert(squats, seen(squats))
    for other in ("coco17", "openpose18", "halpe26"):
        columns = [names.index(n) if n in names else 0 for n in get_layout(other).joint_names]
        points = squats[:, columns]
        converted, _ = get_layout(other).convert(points, seen(points))
        np.testing.assert_allclose(converted, reference, atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("name", DETECTORS)
def test_what_needs_a_point_without_a_place_is_not_seen_and_the_rest_is(
    name: str, bad: float
) -> None:
    layout = get_layout(name)
    points = np.random.default_rng(2).uniform(0, 900, (3, len(layout.joint_names), 2))
    points[1, layout.joint_names.index("lhip"), 1] = bad
    joints, scores = layout.convert(points, seen(points))
    assert np.isfinite(joints).all()
    pelvis = {"body25", "halpe26", "halpe136", "zed34", "zed38"}  # which see it by itself
    lost = {"lhip", "spine"} if name in pelvis else {"lhip", "hip", "spine"}
    assert {JOINT_NAMES[j] for j in np.flatnonzero(scores[1] == 0)} == lost
    assert (joints[1, scores[1] == 0] == 0).all()
    assert (scores[[0, 2]] == 1).all()


@pytest.mark.parametrize("bad", [np.nan, 0.0, -0.5])
def test_a_point_without_a_score_is_not_seen(bad: float) -> None:
    points, scores = np.ones((17, 2)), np.ones(17)
    scores[get_layout("coco17").joint_names.index("lwrist")] = bad
    _, converted = get_layout("coco17").convert(points, scores)
    assert converted[JOINT["lwrist"]] == 0
    assert (np.delete(converted, JOINT["lwrist"]) == 1).all()


def test_a_derived_joint_has_the_lowest_score_of_its_points_and_scores_end_at_one() -> None:
    names = get_layout("coco17").joint_names
    scores = np.full(17, 1.5)
    scores[names.index("lhip")], scores[names.index("rear")] = 0.4, 0.3
    _, converted = get_layout("coco17").convert(np.ones((17, 2)), scores)
    expected = {"hip": 0.4, "lhip": 0.4, "spine": 0.4, "thorax": 0.3, "neck_nose": 0.3, "head": 0.3}
    for joint, score in zip(JOINT_NAMES, converted, strict=True):
        assert score == pytest.approx(expected.get(joint, 1.0)), joint


def test_the_head_falls_back_from_ears_to_one_ear_to_eyes_to_nose() -> None:
    names = get_layout("coco17").joint_names
    points, scores = np.zeros((17, 2)), np.ones(17)
    for value, name in enumerate(("nose", "leye", "reye", "lear", "rear"), start=1):
        points[names.index(name)] = value
    heads = []
    for hidden in ((), ("lear",), ("rear",), ("leye",), ("nose",)):
        scores[[names.index(name) for name in hidden]] = 0
        joints, converted = get_layout("coco17").convert(points, scores)
        heads.append(float(joints[JOINT["head"], 0]) if converted[JOINT["head"]] else None)
    assert heads == [4.5, 5.0, 2.5, 1.0, None]


def test_openpose_takes_its_neck_where_a_shoulder_is_hidden() -> None:
    layout = get_layout("openpose18")
    scores = np.ones(18)
    scores[layout.joint_names.index("lshoulder")] = 0
    _, converted = layout.convert(np.ones((18, 2)), scores)
    assert {JOINT_NAMES[j] for j in np.flatnonzero(converted == 0)} == {"lshoulder"}


def test_nobody_converts_to_nobody() -> None:
    points, scores = get_layout("coco17").convert(np.zeros((0, 17, 2)), np.zeros((0, 17)))
    assert points.shape == (0, 17, 2)
    assert scores.shape == (0, 17)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LayoutError, match=r"did you mean coco17.*openpose18.*h36m17"):
        get_layout("COCO-17")
    with pytest.raises(LayoutError, match="known are coco17"):
        get_layout("")


def test_wrong_shapes_are_answered_with_the_right_ones() -> None:
    with pytest.raises(LayoutError, match=r"must be \(\.\.\., 17, 2\)"):
        get_layout("coco17").convert(np.zeros((18, 2)), np.zeros(18))
    with pytest.raises(LayoutError, match=r"must have \(3, 17\)"):
        get_layout("coco17").convert(np.zeros((3, 17, 2)), np.zeros(17))
