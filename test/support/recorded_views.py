"""Recordings with a 3D reference, as `pstmo bench real` reads them, made from motion capture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FPS = 60.0


def write_view(folder: Path, name: str = "room_cam01", **changed: object) -> Path:
    """A file of a recording: somebody who raises an arm, as two detectors see it."""
    motion = np.load(Path(__file__).parents[1] / "data" / "mocap_excerpt.npz")
    captured = motion["rel_pos"][:60] * float(motion["rel_scale"])
    joints = captured @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    joints = joints + np.array([0.3, 0.1, 4.0])
    matrix = np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]])
    pixels = (joints / joints[..., 2:]) @ matrix.T
    fields = {
        "points3d_camera": joints.astype(np.float32), "layout": "h36m17",
        "K": matrix, "D": np.array([0.05, -0.02, 0, 0]), "width": 1280, "height": 720, "fps": FPS,
        "h36m17_good": pixels, "world_good": joints - joints[:, :1],
    } | changed  # fmt: skip
    path = folder / f"{name}.npz"
    np.savez(path, **{key: value for key, value in fields.items() if value is not None})
    return path
