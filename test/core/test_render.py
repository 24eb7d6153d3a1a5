from pathlib import Path

import numpy as np
import pytest

from pstmo_core.drawing.colours import LEFT_COLOUR, MIDDLE_COLOUR, RIGHT_COLOUR
from pstmo_core.keypoints.clip import Clip, load_clip, sample_path
from pstmo_core.skeleton import JOINT_NAMES

cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
imageio = pytest.importorskip("imageio.v2", reason="needs imageio")
render = pytest.importorskip("pstmo_core.drawing.clip_video", reason="needs OpenCV and imageio")
drawn_clip = pytest.importorskip("pstmo_core.drawing.drawn_clip", reason="needs OpenCV")
drawing = pytest.importorskip("pstmo_core.drawing.shapes", reason="needs OpenCV")

FRAMES = slice(85, 97)  # both people are there


def cut(clip: Clip, *, width: int = 1280, height: int = 720, truth: bool = True) -> Clip:
    return Clip(
        clip.keypoints[FRAMES], clip.scores[FRAMES], clip.stamps[FRAMES], width, height,
        clip.layout, clip.ids, clip.truth[FRAMES] if truth and clip.truth is not None else None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def clip() -> Clip:
    return cut(load_clip(sample_path()))


@pytest.fixture(scope="module")
def joints(clip: Clip) -> np.ndarray:
    """A lifted clip: truth, 100 mm aside but for the pelvis."""
    assert clip.truth is not None
    moved = clip.truth.copy()
    moved[:, :, 1:, 0] += 0.1
    return moved


def near(image: np.ndarray, colour: tuple[float, float, float]) -> int:
    """Pixels of about this colour; the image is RGB."""
    return int((np.abs(image / 255 - colour).max(-1) < 0.06).sum())


def test_a_clip_becomes_an_h264_video_of_its_frames_and_rate_and_a_picture(
    clip: Clip, joints: np.ndarray, tmp_path: Path
) -> None:
    video, picture = render.render_clip(clip, joints, tmp_path / "new" / "folder", title="test")
    with imageio.get_reader(video) as reader:
        meta = reader.get_meta_data()
        assert meta["codec"] == "h264"
        assert meta["pix_fmt"].startswith("yuv420p")
        assert meta["fps"] == pytest.approx(30, abs=0.1)
        assert reader.count_frames() == len(clip)
        frame = reader.get_data(3)
    assert frame.shape[0] % 2 == 0
    assert frame.shape[1] % 2 == 0
    image = imageio.imread(picture)
    for colour in (LEFT_COLOUR, RIGHT_COLOUR, MIDDLE_COLOUR):
        assert near(image, colour) > 1000


@pytest.mark.parametrize(("width", "height"), [(721, 1281), (333, 333), (5000, 300)])
def test_any_image_size_gives_a_video(
    joints: np.ndarray, tmp_path: Path, width: int, height: int
) -> None:
    small = cut(load_clip(sample_path()), width=width, height=height, truth=False)
    video, _ = render.render_clip(small, joints, tmp_path)
    assert video.stat().st_size > 1000


def test_the_error_against_truth_is_in_millimetres(clip: Clip, joints: np.ndarray) -> None:
    drawn = drawn_clip.DrawnClip.of(clip, joints.astype(np.float64))
    np.testing.assert_allclose(drawn.errors, 100 * 16 / 17, rtol=1e-4)


def test_people_who_are_not_known_are_left_out(joints: np.ndarray) -> None:
    untrue = cut(load_clip(sample_path()), truth=False)

    def coloured(shown: np.ndarray) -> int:
        drawn = drawn_clip.DrawnClip.of(untrue, shown)
        panel = drawn.view_panel(0, drawing.View(0.0, 4.0, 5.0, (1.5, 1.0)), (300, 300))
        return near(panel[..., ::-1], LEFT_COLOUR)

    one, nobody = joints.copy(), np.full_like(joints, np.nan)
    one[:, 0] = np.nan
    assert coloured(joints) > coloured(one) > coloured(nobody) == 0


def test_a_clip_in_which_nobody_is_known_is_still_drawn(
    clip: Clip, joints: np.ndarray, tmp_path: Path
) -> None:
    video, picture = render.render_clip(clip, np.full_like(joints, np.nan), tmp_path)
    assert video.exists()
    assert picture.exists()


def test_skeletons_stand_on_the_floor_side_by_side_in_the_images_order(
    clip: Clip, joints: np.ndarray
) -> None:
    lowest = (joints + drawn_clip._floor_shift(joints[0]))[0, :, :, 1].max(-1)
    np.testing.assert_allclose(lowest, drawn_clip._FLOOR - drawn_clip._ANKLE, atol=1e-6)
    drawn = drawn_clip.DrawnClip.of(clip, joints)
    in_image = np.argsort(np.nanmean(clip.keypoints[..., 0], axis=(0, 2)))
    assert (np.diff(drawn.slots[in_image]) > 0.5).all()


def test_who_lies_with_raised_feet_lies_on_the_floor(joints: np.ndarray) -> None:
    upside_down = -joints[0, :1]
    lowest = (upside_down + drawn_clip._floor_shift(upside_down))[..., 1].max()
    assert lowest == pytest.approx(drawn_clip._FLOOR)


def test_the_turned_view_shows_what_the_camera_cannot_see() -> None:
    ahead = np.array([0.0, 0.0, 1.0])  # one metre further from the camera
    size = (200, 200)
    from_camera, _ = drawing.View(0.0, 0.0, 5.0, (1.0, 1.0)).project(ahead, size)
    from_side, _ = drawing.View(90.0, 0.0, 5.0, (1.0, 1.0)).project(ahead, size)
    np.testing.assert_allclose(from_camera, [100, 100], atol=1e-6)
    assert abs(from_side[0] - 100) == pytest.approx(100, abs=1)


def test_joints_that_do_not_fit_the_clip_are_answered(
    clip: Clip, joints: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(render.RenderError, match=r"but the clip asks for \(12, 2, 17, 3\)"):
        render.render_clip(clip, joints[:5], tmp_path)


def test_people_who_are_never_there_together_share_a_place_and_a_crowd_is_not_drawn_tiny(
    clip: Clip, joints: np.ndarray
) -> None:
    one_by_one = np.full((len(joints), 12, *joints.shape[2:]), np.nan)
    for frame in range(len(joints)):
        one_by_one[frame, frame] = joints[frame, 0]
    crowd = np.repeat(joints[:, :1], 12, axis=1)
    crowd[:3, 9] = np.nan
    twelve = Clip(
        np.repeat(clip.keypoints[:, :1], 12, axis=1), np.repeat(clip.scores[:, :1], 12, axis=1),
        clip.stamps, clip.width, clip.height, clip.layout, tuple(f"p{k}" for k in range(12)), None,
    )  # fmt: skip
    drawn = drawn_clip.DrawnClip.of(twelve, one_by_one)
    assert (drawn.slots == 0).all() and drawn.left_out == 0
    drawn = drawn_clip.DrawnClip.of(twelve, crowd)
    shown = np.isfinite(drawn.slots)
    assert shown.sum() == 6 and not shown[9] and drawn.left_out == 6
    assert np.abs(drawn.slots[shown]).max() == 2.5


def test_limbs_that_nobody_saw_are_drawn_faintly_and_not_on_the_image(
    clip: Clip, joints: np.ndarray
) -> None:
    """Legs behind a desk: the network guesses them, and the picture must not claim them."""
    knees_and_ankles = [name in ("rknee", "lknee", "rankle", "lankle") for name in JOINT_NAMES]
    seen = np.where(knees_and_ankles, 0.15, 0.9).astype(np.float32)
    desk = Clip(
        clip.keypoints, np.broadcast_to(seen, clip.scores.shape), clip.stamps, clip.width,
        clip.height, clip.layout, clip.ids, None,
    )  # fmt: skip
    whole, hidden = (drawn_clip.DrawnClip.of(each, joints) for each in (clip, desk))
    assert whole.unseen.mean() < 0.1
    assert (hidden.unseen == whole.unseen | np.array(knees_and_ankles)).all()
    for of_panel in (
        lambda drawn: drawn.view_panel(3, drawn.views[0], (300, 300)),
        lambda drawn: drawn.input_panel(3, (300, 170)),
    ):
        bright, faint = (near(of_panel(drawn)[..., ::-1], LEFT_COLOUR) for drawn in (whole, hidden))
        assert 0 < faint < 0.7 * bright
