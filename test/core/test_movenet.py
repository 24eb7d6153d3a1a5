"""MoveNet, which ships: people in real video are found, followed, and found again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="images need OpenCV")

from pstmo_core.detection import DetectorError, DetectorOptions, load_detector  # noqa: E402
from pstmo_core.detection.movenet import MovenetDetector  # noqa: E402
from pstmo_core.detection.multipose import Found  # noqa: E402
from pstmo_core.detection.network_file import WEIGHTS  # noqa: E402
from pstmo_core.detection.options import REFINERS  # noqa: E402
from pstmo_core.detection.refiner import Refiner, Refiners  # noqa: E402
from pstmo_core.detection.same_person import likeness, one_to_one, without_repeats  # noqa: E402
from pstmo_core.detection.search_plan import SearchPlan, tile_parts  # noqa: E402
from pstmo_core.detection.single_pose import SinglePose  # noqa: E402
from pstmo_core.errors import ConfigError  # noqa: E402
from pstmo_core.keypoints.layouts import get_layout  # noqa: E402

VIDEO = WEIGHTS.parent / "samples" / "park.mp4"
FILE = WEIGHTS / "movenet_lightning.onnx"
IMAGES = 16
NAMES = get_layout("coco17").joint_names
UPRIGHT = ("nose", "lshoulder", "lhip", "lknee", "lankle")
#: Boxes round the man on the roof and the woman on the grass in these images: left, top, right,
#: bottom, pixels.
PEOPLE = ((100, -200, 430, 360), (560, 340, 960, 720))


@pytest.fixture(scope="module")
def park() -> list[np.ndarray]:
    """The first images of the shipped video of two people."""
    video = cv2.VideoCapture(str(VIDEO))
    return [video.read()[1] for _ in range(IMAGES)]


def ticking(seconds: float) -> Callable[[], float]:
    """Return a clock by which whatever is timed takes some seconds."""
    return itertools.count(0.0, seconds).__next__


def inside(points: np.ndarray, box: tuple[int, ...]) -> bool:
    return bool(((points >= box[:2]) & (points <= box[2:])).all())


def test_without_a_word_two_people_are_followed_through_real_video(
    park: list[np.ndarray],
) -> None:
    detector = load_detector()
    assert detector.layout == "coco17" and "MoveNet" in detector.describe()
    assert "rendered ones: detector simulation" in detector.describe()
    followed = [detector.detect(image) for image in park]
    assert [len(found.points) for found in followed] == [2] * IMAGES
    for found in followed:
        order = np.argsort(found.points[:, 0, 0])
        for person, box in zip(order, PEOPLE, strict=True):
            seen = found.scores[person] >= 0.3
            assert seen.sum() >= 12 and inside(found.points[person][seen], box)
            heights = found.points[person, [NAMES.index(n) for n in UPRIGHT], 1]
            assert (np.diff(heights) > 0).all()
    paths = np.stack([found.points for found in followed])
    assert np.abs(np.diff(paths[:, :, 5:], axis=0)).mean() < 8  # who is first stays first


def test_in_the_dark_people_are_found_where_they_are_in_daylight_and_noise_is_nobody(
    park: list[np.ndarray],
) -> None:
    noise = np.random.default_rng(0).normal(0, 1, (IMAGES, *park[0].shape))
    dark = [(0.05 * image + each).clip(0, 255).astype(np.uint8) for image, each in
            zip(park, noise, strict=True)]  # fmt: skip
    assert np.percentile(dark[0], 99) < 20
    for image, darker in zip(park[::5], dark[::5], strict=True):
        light, found = (load_detector().detect(each) for each in (image, darker))
        assert len(found.points) == len(light.points) == 2
        nearest = np.linalg.norm(found.points[:, None] - light.points, axis=-1)
        assert (np.median(nearest, -1).min(0) < 20).all()  # he is 450 pixels tall
    black = (2 * np.abs(noise[0])).clip(0, 255).astype(np.uint8)
    detector = load_detector()
    assert not any(len(detector.detect(each).points) for each in [black, black * 0, black])


def test_after_a_reset_all_is_as_at_first(park: list[np.ndarray]) -> None:
    detector = load_detector()
    runs = []
    for _ in range(2):
        runs.append([detector.detect(image).points for image in park[:4]])
        detector.reset()
    np.testing.assert_array_equal(runs[0], runs[1])


def test_points_move_with_the_image(park: list[np.ndarray]) -> None:
    shift = np.array([64, 32])
    larger = np.zeros((720 + 64, 960 + 128, 3), np.uint8)
    larger[shift[1] : shift[1] + 720, shift[0] : shift[0] + 960] = park[0]
    here, there = (load_detector().detect(image) for image in (park[0], larger))
    seen = (here.scores > 0.3) & (there.scores > 0.3)
    assert seen.sum() > 24
    apart = np.linalg.norm(there.points - shift - here.points, axis=-1)[seen]
    assert np.median(apart) < 4


def test_someone_far_off_is_found_in_a_tile_and_followed(park: list[np.ndarray]) -> None:
    """The woman, 100 pixels tall in an image of 1920 x 1080."""
    woman = cv2.resize(park[8][340:, 640:], None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA)
    image = np.full((1080, 1920, 3), 110, np.uint8)
    image[700 : 700 + woman.shape[0], 1300 : 1300 + woman.shape[1]] = woman
    found = {}
    for tiles in (0, 1):
        detector = load_detector("movenet", DetectorOptions(search_tiles=tiles))
        found[tiles] = [detector.detect(image) for _ in range(16)]
    assert not any(len(one.points) for one in found[1])
    first = next(n for n, one in enumerate(found[0]) if len(one.points))
    assert all(len(one.points) == 1 for one in found[0][first:])
    assert inside(found[0][-1].points[0], (1330, 700, 1410, 835))


def test_whom_the_closer_look_takes_for_the_one_in_front_is_kept_as_multipose_sees_him() -> None:
    """She stands before him; whoever is looked for there, the closer look finds her."""
    her = np.linspace((300.0, 100.0), (340.0, 300.0), 17, dtype=np.float32)
    him = np.linspace((330.0, 80.0), (420.0, 330.0), 17, dtype=np.float32)
    sure = np.full(17, 0.6, np.float32)
    searches = []

    class Both:
        """Multipose that tells them apart."""

        def search(self, part: np.ndarray, size: int, least: float) -> Found:
            searches.append(part.shape)
            return Found(np.stack([her, him]), np.stack([sure, sure]), np.full(2, 0.5, np.float32))

    class OnlyHer:
        """The closer look."""

        def choose(self, people: int) -> OnlyHer:
            return self

        def detect(self, image: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            count = len(squares)
            return np.repeat(her[None], count, 0), np.repeat(sure[None], count, 0)

    detector = MovenetDetector(DetectorOptions(search_every=1000, search_tiles=1))
    detector._multipose, detector._refiners = Both(), OnlyHer()  # type: ignore[assignment]
    image = np.zeros((480, 640, 3), np.uint8)
    for _ in range(4):
        found = detector.detect(image)
        np.testing.assert_array_equal(found.points, np.stack([her, him]))
    assert len(searches) == 4, "while they cannot be told apart, each image is searched"
    matched = one_to_one(np.array([[0.9, 0.6], [0.2, 0.1]]))
    np.testing.assert_array_equal(matched, [[True, False], [False, False]])


def test_a_crowd_larger_than_a_search_can_name_is_found_in_tiles_and_nobody_is_given_up_or_doubled(
    park: list[np.ndarray],
) -> None:
    """The woman, twelve times: a search names six people at most."""
    walking = [
        np.tile(cv2.resize(image[330:, 610:], (300, 330), interpolation=cv2.INTER_AREA), (2, 6, 1))
        for image in park
    ]
    detector = load_detector("movenet", DetectorOptions(pose_model="lightning"))
    for image in [*walking, *walking[::-1], *walking]:
        found = detector.detect(image)
    middles = found.points[:, 5:13].mean(1) // (300, 330)
    assert len(np.unique(middles, axis=0)) == len(middles), "somebody is there twice"
    assert len(middles) >= 10 and found.left_out == 0
    few = load_detector("movenet", DetectorOptions(pose_model="lightning"), ticking(0.01))
    live = [few.detect(image) for image in walking]
    assert max(len(one.points) for one in live) == 4, "live images leave time for four"
    assert live[5].left_out >= 1 and not len(live[5].points) + live[5].left_out > 12


def test_who_has_left_is_given_up_and_found_on_return(park: list[np.ndarray]) -> None:
    detector = load_detector()
    empty = cv2.GaussianBlur(park[0], (0, 0), 60)
    counts = [len(detector.detect(i).points) for i in [*park[:3], empty, empty, *park[3:5]]]
    assert counts == [2, 2, 2, 0, 0, 2, 2]


def test_an_image_of_another_size_is_of_another_camera(park: list[np.ndarray]) -> None:
    detector = load_detector()
    detector.detect(park[0])
    half = cv2.resize(park[0], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    found = detector.detect(half)
    np.testing.assert_allclose(found.points, load_detector().detect(half).points)


def test_without_the_closer_look_multipose_alone_answers(park: list[np.ndarray]) -> None:
    detector = load_detector("movenet", DetectorOptions(refine=False, input_size=320))
    assert [len(detector.detect(image).points) for image in park[:4]] == [2] * 4
    few = load_detector("movenet", DetectorOptions(refine=False, detected_people=1))
    assert len(few.detect(park[0]).points) == 1


def test_all_refiners_find_the_people_of_real_video_and_thunder_is_surer_of_them(
    park: list[np.ndarray],
) -> None:
    sure = {}
    for name in REFINERS:
        detector = load_detector("movenet", DetectorOptions(pose_model=name))
        found = [detector.detect(image) for image in park]
        scores = np.stack([one.scores for one in found])
        order = found[0].points[:, 0, 0].argsort()
        for one in found:
            for person, box in zip(order, PEOPLE, strict=True):
                assert inside(one.points[person][one.scores[person] >= 0.3], box)
        sure[name] = scores.mean((0, 2))
    assert (sure["thunder"] > sure["lightning"]).all()
    assert (sure["thunder-twice"] > sure["lightning-twice"]).all()


@pytest.mark.parametrize("name", REFINERS)
def test_a_network_that_is_named_is_used_however_slow_the_machine_is(
    park: list[np.ndarray], name: str
) -> None:
    options = DetectorOptions(pose_model=name)
    here = load_detector("movenet", options)
    assert here.describe().endswith(f"refined by MoveNet {name}")
    slow = load_detector("movenet", options, ticking(5.0))
    assert slow.describe() == here.describe()
    if not name.endswith("-twice"):
        file = DetectorOptions(pose_model=str(WEIGHTS / f"movenet_{name}.onnx"))
        by_path = load_detector("movenet", file)
        np.testing.assert_array_equal(by_path.detect(park[0]).points, here.detect(park[0]).points)


@pytest.mark.parametrize("name", ["", "auto"])
def test_recordings_get_thunder_and_live_images_what_the_machine_can_do(name: str) -> None:
    """Of 50 ms a fifth of a search is taken; a person takes one tick, twice two, and 12 ms."""

    def said(seconds: float, people: int = 4) -> str:
        options = DetectorOptions(pose_model=name, detected_people=people)
        return load_detector("movenet", options, ticking(seconds)).describe()

    recorded = load_detector("movenet", DetectorOptions(pose_model=name)).describe()
    assert recorded.endswith("refined by MoveNet thunder-twice")
    assert said(0.0002).endswith("by MoveNet thunder-twice: a person takes thunder-twice 0 ms here")
    several = "thunder-twice for one person, thunder for up to 2 people, lightning for more: a "
    assert several in said(0.01)
    assert "refined by MoveNet thunder: a person" in said(0.02, people=1)
    assert "refined by MoveNet lightning: a person takes thunder-twice 120 ms, thun" in said(0.06)


def test_more_people_are_looked_at_by_faster_networks_and_few_by_better_ones() -> None:
    slow, twice, fast = (Refiner(SinglePose(FILE), name) for name in ("thunder", "twice", "fast"))
    refiners = Refiners([(slow, 1), (twice, 2), (fast, 2)])
    assert [refiners.choose(count).name for count in (0, 1, 2, 3, 7)] == [
        "thunder", "thunder", "twice", "fast", "fast"
    ]  # fmt: skip
    names = [refiners.choose(1).name for _ in range(20)]
    assert names[:15] == ["fast"] * 15, "who is gone for some images is not gone"
    assert names[16:] == ["thunder"] * 4
    assert refiners.choose(2).name == "twice"
    refiners.restart()
    assert refiners.choose(0).name == "thunder"


def test_the_names_are_movenets_and_a_wrong_one_is_refused_with_the_choices() -> None:
    says = "thundre: no such file; pose_model of the detector movenet is auto, lightning, lightn"
    with pytest.raises(DetectorError, match=says):
        load_detector("movenet", DetectorOptions(pose_model="thundre"))
    with pytest.raises(ConfigError, match="thunder is a network of the detector movenet"):
        load_detector("blazepose", DetectorOptions(pose_model="thunder"))
    auto = load_detector("blazepose", DetectorOptions(pose_model="auto"))
    assert "blazepose_landmark_full" in auto.describe()


@pytest.mark.parametrize("file", ["sim_pose.onnx", "movenet_multipose.onnx"])
def test_another_network_is_refused_with_a_sentence(file: str) -> None:
    with pytest.raises(DetectorError, match=f"{file}: is not MoveNet lightning or thunder"):
        load_detector("movenet", DetectorOptions(pose_model=str(WEIGHTS / file)))
    with pytest.raises(DetectorError, match="absent.onnx: no such file"):
        load_detector("movenet", DetectorOptions(pose_model=str(Path("absent.onnx"))))


# When and where is searched


def test_tiles_show_all_of_the_image_and_overlap() -> None:
    for height, width in ((1080, 1920), (1920, 1080), (720, 1280), (500, 500)):
        for across in (2, 3, 4):
            shown = np.zeros((height, width), int)
            for top, left, bottom, right in tile_parts(height, width, across):
                shown[top:bottom, left:right] += 1
            assert shown.min() >= 1 and shown.max() >= 2
    assert tile_parts(1080, 1920, 1) == []


def test_known_people_are_searched_for_less_often_and_in_turn_with_tiles() -> None:
    someone = np.zeros((1, 17, 2)) + np.linspace(0, 200, 17)[:, None]
    plan = SearchPlan(every=5)
    views = [plan.next((1080, 1920), someone) for _ in range(20)]
    assert [n for n, view in enumerate(views) if view.due] == [0, 5, 10, 15]
    whole = (0, 0, 1080, 1920)
    assert [views[n].part == whole for n in (0, 5, 10, 15)] == [True, False, True, False]
    plan = SearchPlan(every=5)
    small = [plan.next((480, 640), someone) for _ in range(20)]
    assert {view.part for view in small} == {(0, 0, 480, 640)}


def test_the_input_is_larger_for_smaller_people_and_never_above_the_limit() -> None:
    def size(height: float, limit: int = 512) -> int:
        people = np.zeros((1, 17, 2)) + np.linspace(0, height, 17)[:, None]
        plan = SearchPlan()
        plan.largest = limit
        return plan.next((720, 1280), people).size

    sizes = [size(height) for height in (700, 500, 300, 150)]
    assert sizes == sorted(sizes) and sizes[0] == 256 and sizes[-1] == 512
    assert size(150, 320) == 320
    fixed = SearchPlan(size=288).next((720, 1280), np.zeros((0, 17, 2)))
    assert fixed.size == 288


@pytest.mark.parametrize(("seconds", "largest"), [(0.01, 512), (0.06, 256), (5.0, 192)])
def test_a_slow_machine_searches_smaller_images(seconds: float, largest: int) -> None:
    detector = load_detector("movenet", DetectorOptions(), ticking(seconds))
    assert detector._plan.largest == largest


# Who is who


def test_poses_of_one_person_are_alike_and_of_neighbours_are_not() -> None:
    rng = np.random.default_rng(0)
    pose = rng.uniform(0, 200, (1, 17, 2))
    scores = np.ones((1, 17))
    trembling = pose + rng.normal(0, 4, pose.shape)
    beside = pose + (60, 0)
    both = np.concatenate([trembling, beside])
    alike = likeness(pose, scores, both, np.ones((2, 17)))
    assert alike.shape == (1, 2) and alike[0, 0] > 0.8 and alike[0, 1] < 0.1
    three = np.concatenate([pose, trembling, beside])
    surer = np.array([[0.5], [0.6], [0.4]]) * np.ones(17)
    assert without_repeats(three, surer).tolist() == [False, True, True]
