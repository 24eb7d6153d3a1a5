"""People who stand do not bend their knees: on video, and seen from a wall or a mast."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from shared_files import shared

from pstmo_core.keypoints.clip import load_clip
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.runtime import Runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip
from pstmo_core.streaming.lifter import StreamLifter

NS = 1_000_000_000
WIDTH, HEIGHT, FOCAL = 1280, 720, 1000.0
LEGS = ((1, 2, 3), (4, 5, 6))
#: Clips of three people with a frame in which each stands.
STANDING = (("02_05", 0), ("91_normalwalk", 183), ("82_normalwalk", 11))
AZIMUTHS = range(0, 360, 45)


@pytest.fixture(scope="module")
def standing() -> np.ndarray:
    """(3, 17, 3) metres, z up, on the floor: captured poses."""
    with np.load(Path(__file__).parents[1] / "data" / "mocap_excerpt.npz") as file:
        names = file["clip_id"].tolist()
        rows = [int(file["clip_start"][names.index(name)]) + frame for name, frame in STANDING]
        poses = file["rel_pos"][rows] * float(file["rel_scale"])
    poses[..., 2] -= poses[..., 2].min(1, keepdims=True) - 0.08
    return poses


def as_detectors_see(poses: np.ndarray) -> np.ndarray:
    """The same people with joints where detectors put them: shared/real measures such bodies.

    Hips as wide as a quarter of a leg, the trunk 0.71 of it, the thigh 1.06 of the shin.
    """
    poses = poses.copy()
    legs = [poses[:, list(leg)] for leg in LEGS]
    lengths = [np.linalg.norm(np.diff(leg, axis=1), axis=-1).sum(-1) for leg in legs]
    length = np.mean(lengths, 0)[:, None]

    def towards(start: np.ndarray, end: np.ndarray, distance: np.ndarray) -> np.ndarray:
        way = end - start
        return way / np.linalg.norm(way, axis=-1, keepdims=True) * distance

    middle = poses[:, 0]
    moved = poses.copy()
    for (hip, knee, ankle), _ in zip(LEGS, legs, strict=True):
        moved[:, hip] = middle + towards(middle, poses[:, hip], 0.125 * length)
        thigh = towards(poses[:, hip], poses[:, knee], length * 1.06 / 2.06)
        shin = towards(poses[:, knee], poses[:, ankle], length / 2.06)
        moved[:, knee] = moved[:, hip] + thigh
        moved[:, ankle] = moved[:, knee] + shin
    trunk = np.linalg.norm((poses[:, 11] + poses[:, 14]) / 2 - middle, axis=-1)[:, None]
    lift = towards(middle, poses[:, 8], 0.71 * length - trunk)
    moved[:, 7] += lift / 2
    moved[:, 8:] += lift[:, None]
    return moved


def straightened(poses: np.ndarray) -> np.ndarray:
    """The same people with knees at 180 degrees."""
    poses = poses.copy()
    for hip, knee, ankle in LEGS:
        thigh = poses[:, knee] - poses[:, hip]
        shin = np.linalg.norm(poses[:, ankle] - poses[:, knee], axis=-1, keepdims=True)
        along = thigh / np.linalg.norm(thigh, axis=-1, keepdims=True)
        poses[:, ankle] = poses[:, knee] + along * shin
    return poses


def seen_from(poses: np.ndarray, height: float, down: float) -> np.ndarray:
    """People (P, 17, 3) in the frames of cameras all round: (P * 8, 17, 3) metres."""
    tilt = np.radians(down)
    distance = (height - 0.9) / np.tan(tilt)
    views = []
    for azimuth in np.radians(list(AZIMUTHS)):
        away = np.array([np.cos(azimuth), np.sin(azimuth), 0])
        forward = -away * np.cos(tilt) - np.array([0, 0, np.sin(tilt)])
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(forward, right), forward])
        views.append((poses - (away * distance + np.array([0, 0, height]))) @ axes.T)
    return np.concatenate(views)


def knee_angles(joints: np.ndarray) -> np.ndarray:
    """Degrees (P, 2) of joints (P, 17, 3)."""
    angles = []
    for hip, knee, ankle in LEGS:
        thigh, shin = joints[:, hip] - joints[:, knee], joints[:, ankle] - joints[:, knee]
        cosine = (thigh * shin).sum(-1)
        cosine /= np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shin, axis=-1)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return np.stack(angles, -1)


def knee_error(runtime: Runtime, bodies: np.ndarray, tilt: float) -> float:
    """How far knees are from as they are, on average, for people who have stood a second."""
    points = bodies[..., :2] / bodies[..., 2:] * FOCAL + np.array([WIDTH, HEIGHT]) / 2
    people = tuple(f"p{index}" for index in range(len(bodies)))
    config = StreamConfig(max_people=len(people), focal=FOCAL, tilt=tilt)
    lifter = StreamLifter(runtime, config)
    scores = np.ones(points.shape[:2], np.float32)
    for index in range(12):
        frame = KeypointFrame(
            index * NS // 10, people, points.astype(np.float32), scores, WIDTH, HEIGHT
        )
        (answer,) = lifter.push(frame)
    return float(np.abs(knee_angles(answer.joints) - knee_angles(bodies)).mean())


#: Height of the camera in metres and by how many degrees it looks down: eye level, then raised.
CAMERAS = [(1.5, 9), *((height, down) for height in (2.5, 3.0, 3.5) for down in (20, 30, 40))]


@pytest.mark.parametrize(("height", "down"), CAMERAS)
def test_standing_people_keep_their_knees_as_they_are(
    shipped: Runtime, standing: np.ndarray, height: float, down: float
) -> None:
    for bodies in (standing, as_detectors_see(standing)):
        assert knee_error(shipped, seen_from(bodies, height, down), StreamConfig.tilt) <= 8


@pytest.mark.parametrize(("height", "down"), CAMERAS)
def test_people_who_stand_quite_straight_do_too(
    shipped: Runtime, standing: np.ndarray, height: float, down: float
) -> None:
    bodies = seen_from(straightened(as_detectors_see(standing)), height, down)
    assert knee_error(shipped, bodies, StreamConfig.tilt) <= 8


def test_between_squats_knees_are_as_straight_as_the_detectors_own_3d_says(
    shipped: Runtime,
) -> None:
    files = {n: shared(f"data/keypoints2d/pose_squats_{n}d_blazepose33.json") for n in (2, 3)}
    clip = load_clip(files[2], fps=5, size=(720, 1280))
    ours = knee_angles(lift_clip(clip, shipped).joints[:, 0]).mean(-1)
    world = np.array(json.loads(files[3].read_text()))
    joints = np.zeros((len(world), 17, 3))
    joints[:, [leg for side in LEGS for leg in side]] = world[:, [24, 26, 28, 23, 25, 27], :3]
    theirs = knee_angles(joints).mean(-1)
    at_rest = theirs > 160
    assert at_rest.sum() > 20
    difference = np.abs(ours - theirs)[at_rest]
    assert difference.mean() < 3 and difference.max() < 8
