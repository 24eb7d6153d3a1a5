"""`scripts/demo.sh --video FILE`: a real video through camera, detector and lifter."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("imageio_ffmpeg", reason="needs imageio[ffmpeg] to write videos")

from pstmo_core.keypoints.clip import load_clip, sample_video_path
from pstmo_core.lift.videos import video_images
from pstmo_core.skeleton import JOINT_NAMES
from pstmo_ros.demo import video as demo_video
from pstmo_ros.demo.__main__ import main

cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
FRAMES = 12


def test_people_of_a_real_video_stand_upright_and_every_image_is_answered(
    ros_domain: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, output = tmp_path / "short.mp4", tmp_path / "out"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"mp4v"), 30.0, (960, 720))
    for _, image in itertools.islice(video_images(sample_video_path(), None).frames(), FRAMES):
        writer.write(image)
    writer.release()

    heard: dict[str, np.ndarray] = {}
    draw = demo_video.render_video

    def keep(clip: object, joints: np.ndarray, *rest: object, **options: object) -> None:
        heard["joints"] = joints
        draw(clip, joints, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(demo_video, "render_video", keep)
    assert main(["--video", str(video), "-o", str(output)]) == 0
    clip = load_clip(output / "keypoints.npz")
    assert len(clip) == FRAMES
    assert np.ptp(np.diff(clip.stamps)) < 1e7  # the video's own times, whatever the machine's speed
    head, ankle = (JOINT_NAMES.index(name) for name in ("head", "rankle"))
    up = heard["joints"][..., ankle, 1] - heard["joints"][..., head, 1]
    assert (np.isfinite(up).sum(1) == 2).mean() > 0.8, "the woman and the man"
    assert np.nanmin(up) > 1.2, "metres from ankle to head"
    assert (output / "people.webp").read_bytes()[8:12] == b"WEBP"
    assert (output / "people.mp4").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["clip.mp4", "keypoints.npz", "recording.npz", "clip.png"])
def test_a_folder_with_files_of_these_names_is_left_alone(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, link = tmp_path / name, tmp_path / "nodes.log"
    mine.write_text("mine")
    assert main(["-o", str(tmp_path)]) == 1
    assert f"holds {name}, which no demonstration left" in capsys.readouterr().err
    link.symlink_to(mine)
    kind = "--video" if name.endswith(".mp4") else "--clip"
    assert main([kind, str(mine), "-o", str(tmp_path)]) == 1
    assert "would replace an input" in capsys.readouterr().err
    assert mine.read_text() == "mine"
