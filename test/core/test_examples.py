"""The examples that need no ROS run, and do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pstmo_core as pstmo

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: object) -> list[str]:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_example_is_named_in_their_readme_and_short() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"[{path.name}]({path.name})" in listed
        assert len(path.read_text().splitlines()) < 80


def test_an_array_of_keypoints(tmp_path: Path) -> None:
    assert len(run("keypoint_array.py")) == 30
    clip = pstmo.load_clip()
    array = np.concatenate([clip.keypoints, clip.scores[..., None]], -1)[:20]
    np.save(tmp_path / "keypoints.npy", array)
    lines = run("keypoint_array.py", tmp_path / "keypoints.npy", 30, clip.layout)
    assert len([line for line in lines if "person0" in line]) == 20


def test_a_video(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="images need OpenCV")
    imageio = pytest.importorskip("imageio.v2", reason="videos need imageio")
    from truth_detector import FPS, film

    images, _ = film(2, 20)
    path = tmp_path / "room.mp4"
    with imageio.get_writer(path, fps=FPS, codec="libx264", ffmpeg_log_level="error") as writer:
        for image in images:
            writer.append_data(image[..., ::-1])
    lines = run("webcam.py", path, "simulation")
    assert len(lines) == len(images)
    assert "p1" in lines[-1] and "p2" in lines[-1]
