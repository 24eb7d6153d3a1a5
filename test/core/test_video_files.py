"""Videos as phones and converters write them: their stamps, their pixels, and what they claim."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from command import Command

pytest.importorskip("cv2", reason="videos need OpenCV")
pytest.importorskip("imageio.v2", reason="videos need imageio")

from pstmo_core.detection import Detections
from pstmo_core.keypoints.clip import sample_video_path
from pstmo_core.lift import videos
from pstmo_core.lift.input_kinds import SourceError
from pstmo_core.lift.keypoints_from_images import keypoints_from_images
from pstmo_core.lift.videos import video_images
from pstmo_core.streaming.config import StreamConfig


def transcoded(path: Path, *arguments: object, source: Path | None = None) -> Path:
    """The shipped video, or part of it, as another file."""
    program = pytest.importorskip("imageio_ffmpeg", reason="videos need FFmpeg").get_ffmpeg_exe()
    before = ("-display_rotation", "-90") if source else ()
    command = [program, "-loglevel", "error", *before, "-i", source or sample_video_path(), "-an"]
    subprocess.run([str(each) for each in (*command, *arguments, path)], check=True)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_video_of_varying_frame_rate_has_its_own_stamps_and_is_not_called_damaged(
    suffix: str, tmp_path: Path
) -> None:
    """As phones film in poor light: 30 images per second, then 15, and a pause.

    Matroska does not say how many images there are.
    """
    kept = "select='lt(n,20)+gte(n,20)*not(mod(n,2))*not(between(n,30,50))',scale=160:120"
    path = tmp_path / f"phone.{suffix}"
    images = video_images(transcoded(path, "-vf", kept, "-fps_mode", "vfr", "-c:v", "mpeg4"), None)
    stamps = np.array([stamp for stamp, _ in images.frames()])
    wanted = [n for n in range(106) if n < 20 or (n % 2 == 0 and not 30 <= n <= 50)]
    np.testing.assert_allclose(stamps / 1e6, np.array(wanted) * 1000 / 30, atol=2)

    class Nobody:
        layout = "coco17"
        detect = staticmethod(lambda image: Detections.nobody(17))
        reset = staticmethod(lambda: None)
        describe = staticmethod(lambda: "nobody")

    shares: list[float] = []
    recording = keypoints_from_images(images, Nobody(), StreamConfig(), path.name, shares.append)
    assert not any("truncated" in note for note in recording.notes)
    assert shares[-1] > 0.95 and (np.diff(shares) > 0).all()


def test_pixels_become_square_and_a_phones_turned_images_upright(tmp_path: Path) -> None:
    (_, plain), *_ = video_images(sample_video_path(), None).frames()
    few = ("-frames:v", "3", "-c:v", "mpeg4", "-q:v", "2")
    narrow = transcoded(tmp_path / "narrow.mp4", "-vf", "scale=480:720,setsar=2", *few)
    turned = transcoded(tmp_path / "turned.mp4", "-vf", "transpose=2", *few)
    phone = transcoded(tmp_path / "phone.mp4", "-c", "copy", source=turned)
    for path, says in ((narrow, True), (phone, False)):
        images = video_images(path, None)
        (_, image), *_ = images.frames()
        assert image.shape == plain.shape and any("square" in n for n in images.notes) == says
        assert np.abs(image.astype(int) - plain).mean() < 8


def test_a_calibration_of_stored_pixels_is_refused_for_a_stretched_video_and_the_error_says_why(
    tmp_path: Path, pstmo: Command
) -> None:
    few = ("-frames:v", "3", "-c:v", "mpeg4", "-q:v", "2")
    narrow = transcoded(tmp_path / "narrow.mp4", "-vf", "scale=480:720,setsar=2", *few)
    calibration = tmp_path / "camera.yaml"
    calibration.write_text(
        "image_width: 480\nimage_height: 720\n"
        "camera_matrix: {rows: 3, cols: 3, data: [500, 0, 240, 0, 1000, 360, 0, 0, 1]}\n"
        "distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}\n"
    )
    lift = ("lift", narrow, "-o", tmp_path / "out.npz", "--camera-info", calibration)
    code, _, err = pstmo(*lift)
    assert code == 2 and "is for 480 x 720" in err and "pixels are not square" in err


def test_a_video_that_asks_to_be_stretched_to_giant_images_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = transcoded(tmp_path / "wide.mp4", "-vf", "setsar=39/10", "-frames:v", "1")
    monkeypatch.setattr(videos, "MOST_PIXELS_OF_FILES", 2 * 960 * 720)
    with pytest.raises(SourceError, match="has images of 3744 x 720 pixels, but at most"):
        video_images(wide, None)


def test_stamps_that_lie_centuries_ahead_are_refused_with_what_to_do(tmp_path: Path) -> None:
    late = ("-vf", "setpts=N*1e10/TB,scale=96:72", "-fps_mode", "vfr", "-c:v", "mjpeg")
    video = transcoded(tmp_path / "late.mkv", *late, "-frames:v", "3")
    with pytest.raises(SourceError, match="stamped 312 years after the beginning.*give --fps"):
        list(video_images(video, None).frames())
    assert [stamp for stamp, _ in video_images(video, 10.0).frames()] == [0, 10**8, 2 * 10**8]
