"""BVH files: read back by the format's own rules, they give the skeleton again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.errors import PstmoError
from pstmo_core.lift.bvh import write_bvh
from pstmo_core.skeleton import JOINT_NAMES

FPS = 25.0


@pytest.fixture(scope="module")
def motion(mocap_file: Path) -> np.ndarray:
    """Real motion (50, 17, 3) relative to the pelvis in a camera's frame."""
    poses = load_mocap(mocap_file).positions[:100:2]
    poses = poses - poses[:, :1]
    return np.stack([poses[..., 0], -poses[..., 2], poses[..., 1]], -1)


def play(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray, float]:
    """Read a BVH file: positions (F, 3) of each joint by name, of end sites, and the frame time."""
    head, _, motion = path.read_text().partition("MOTION\n")
    lines = motion.splitlines()
    values = np.array([[float(v) for v in line.split()] for line in lines[2:]])
    positions: dict[str, np.ndarray] = {}
    ends: list[np.ndarray] = []
    stack: list[tuple[np.ndarray, Rotation]] = []
    column, name = 0, ""
    for words in (line.split() for line in head.splitlines()):
        if words[0] in ("ROOT", "JOINT", "End"):
            name = words[1]
        elif words[0] == "OFFSET":
            offset = np.array([float(v) for v in words[1:]])
            place, turn = stack[-1] if stack else (np.zeros((len(values), 3)), None)
            place = place + (turn.apply(offset) if turn is not None else offset)
            if name == "Site":
                ends.append(place)
                stack.append((place, turn))
        elif words[0] == "CHANNELS":
            if words[1] == "6":
                place, column = values[:, :3], 3
            own = Rotation.from_euler("ZXY", values[:, column : column + 3], degrees=True)
            column += 3
            turn = own if turn is None else turn * own
            positions[name] = place
            stack.append((place, turn))
        elif words[0] == "}":
            stack.pop()
    assert column == values.shape[1]
    return positions, np.stack(ends, 1), float(lines[1].split()[-1])


def test_a_motion_read_back_is_the_motion(motion: np.ndarray, tmp_path: Path) -> None:
    roots = np.cumsum(np.full((len(motion), 3), 0.01), 0)
    write_bvh(tmp_path / "m.bvh", motion, FPS, roots)
    positions, ends, frame_time = play(tmp_path / "m.bvh")
    assert frame_time == pytest.approx(1 / FPS)
    truth = (motion + roots[:, None]) * (100, -100, -100)
    np.testing.assert_allclose(positions["hip"], truth[:, 0], atol=1e-3)
    errors = {
        name: np.linalg.norm(place - truth[:, JOINT_NAMES.index(name)], axis=-1).mean()
        for name, place in positions.items()
    }
    assert len(errors) == 12 and ends.shape[1] == 5
    # Centimetres. The capture's bones on pelvis and thorax are no rigid body, but nearly one.
    assert max(errors.values()) < 1 and np.mean(list(errors.values())) < 0.5
    leaves = [JOINT_NAMES.index(n) for n in ("rankle", "lankle", "head", "lwrist", "rwrist")]
    assert np.linalg.norm(ends - truth[:, leaves], axis=-1).mean() < 0.5


def test_limbs_point_exactly_where_the_skeletons_do(motion: np.ndarray, tmp_path: Path) -> None:
    write_bvh(tmp_path / "m.bvh", motion, FPS)
    positions, _, _ = play(tmp_path / "m.bvh")
    for upper, lower in (("rhip", "rknee"), ("lshoulder", "lelbow"), ("thorax", "neck_nose")):
        rows = JOINT_NAMES.index(upper), JOINT_NAMES.index(lower)
        truth = (motion[:, rows[1]] - motion[:, rows[0]]) * (1, -1, -1)
        found = positions[lower] - positions[upper]
        cosine = (truth * found).sum(-1)
        cosine = cosine / np.linalg.norm(truth, axis=-1) / np.linalg.norm(found, axis=-1)
        assert cosine.min() > (0.9 if upper == "thorax" else 0.99999)


def test_a_pose_alone_is_written_exactly(motion: np.ndarray, tmp_path: Path) -> None:
    write_bvh(tmp_path / "m.bvh", motion[:1], FPS)
    positions, _, _ = play(tmp_path / "m.bvh")
    for name, place in positions.items():
        truth = motion[:1, JOINT_NAMES.index(name)] * (100, -100, -100)
        np.testing.assert_allclose(place, truth, atol=0.5)


def test_the_rest_pose_faces_the_viewer_with_the_arms_spread(
    motion: np.ndarray, tmp_path: Path
) -> None:
    write_bvh(tmp_path / "m.bvh", motion, FPS)
    words = (tmp_path / "m.bvh").read_text().split()
    at = {word: index for index, word in enumerate(words[: words.index("MOTION")])}
    offsets = {
        name: np.array(words[at[name] + 3 : at[name] + 6], float)
        for name in JOINT_NAMES[1:]
        if name in at
    }
    spread = {"rhip": (-1, 0), "lhip": (1, 0), "rshoulder": (-1, 0), "lshoulder": (1, 0)}
    for name, direction in {**spread, "spine": (0, 1), "neck_nose": (0, 1)}.items():
        assert offsets[name] @ (*direction, 0) > 0.9 * np.linalg.norm(offsets[name])


def test_frames_that_were_not_lifted_hold_the_pose_before(
    motion: np.ndarray, tmp_path: Path
) -> None:
    holes = motion.copy()
    holes[:3] = np.nan
    holes[10:15] = np.nan
    write_bvh(tmp_path / "m.bvh", holes, FPS)
    positions, _, _ = play(tmp_path / "m.bvh")
    knee = positions["rknee"]
    assert (knee[:3] == knee[3]).all() and (knee[10:15] == knee[9]).all()
    assert (knee[15] != knee[9]).any()


def test_nobody_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(PstmoError, match="no frame of this person was lifted"):
        write_bvh(tmp_path / "m.bvh", np.full((5, 17, 3), np.nan), FPS)
    assert not list(tmp_path.iterdir())
