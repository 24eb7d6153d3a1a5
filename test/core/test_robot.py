"""Skeletons as robots' software wants them: frames, angles, points and velocities."""

from __future__ import annotations

import numpy as np
import pytest

from pstmo_core.robot.body_frames import LINKS, link_axes
from pstmo_core.robot.joint_angles import ANGLES, joint_angles
from pstmo_core.robot.limb_points import limb_points
from pstmo_core.robot.velocity import Velocities
from pstmo_core.room.quaternions import matrix_from_quaternion, quaternions_from_matrices
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.skeleton import EDGES, JOINT_NAMES

STANDING = {
    "hip": (0, 0, 0), "rhip": (0, -0.1, 0), "rknee": (0, -0.1, -0.45), "rankle": (0, -0.1, -0.9),
    "lhip": (0, 0.1, 0), "lknee": (0, 0.1, -0.45), "lankle": (0, 0.1, -0.9), "spine": (0, 0, 0.25),
    "thorax": (0, 0, 0.5), "neck_nose": (0.05, 0, 0.6), "head": (0, 0, 0.75),
    "lshoulder": (0, 0.2, 0.45), "lelbow": (0, 0.2, 0.15), "lwrist": (0, 0.2, -0.1),
    "rshoulder": (0, -0.2, 0.45), "relbow": (0, -0.2, 0.15), "rwrist": (0, -0.2, -0.1),
}  # fmt: skip
"""Somebody who stands with hanging arms and looks along x; z is up."""


def body(**moved: tuple[float, float, float]) -> np.ndarray:
    """Return that person (1, 17, 3) with some joints elsewhere."""
    return np.array([[({**STANDING, **moved})[name] for name in JOINT_NAMES]], np.float64)


def angles(**moved: tuple[float, float, float]) -> dict[str, float]:
    """Return the angles in degrees of that person."""
    found = np.degrees(joint_angles(body(**moved)))[0]
    return dict(zip(ANGLES, found.tolist(), strict=True))


def test_who_stands_has_upright_axes_and_no_angles() -> None:
    axes = link_axes(body())
    np.testing.assert_allclose(axes, np.broadcast_to(np.eye(3), axes.shape), atol=1e-12)
    assert max(map(abs, angles().values())) < 1e-6


def test_bent_joints_bend_the_way_that_the_human_model_says() -> None:
    forearm = angles(lwrist=(0.25, 0.2, 0.15))
    assert forearm["l_elbow"] == pytest.approx(90)
    assert max(abs(v) for n, v in forearm.items() if n != "l_elbow") < 1e-6
    raised = angles(relbow=(0, -0.5, 0.45), rwrist=(0, -0.75, 0.45))
    assert raised["r_p_shoulder"] == pytest.approx(90)
    assert raised["r_y_shoulder"] == pytest.approx(0, abs=1e-6)
    ahead = angles(lelbow=(0.3, 0.2, 0.45), lwrist=(0.55, 0.2, 0.45))
    assert (ahead["l_y_shoulder"], ahead["l_p_shoulder"]) == pytest.approx((90, 90))
    kick = angles(rankle=(-0.45, -0.1, -0.45))
    assert kick["r_knee"] == pytest.approx(-90)
    sitting = angles(lknee=(0.45, 0.1, 0), lankle=(0.45, 0.1, -0.45))
    assert (sitting["l_r_hip"], sitting["l_knee"]) == pytest.approx((90, -90))
    spread = angles(lknee=(0, 0.1 + 0.45 * np.sin(0.5), -0.45 * np.cos(0.5)),
                    lankle=(0, 0.1 + 0.9 * np.sin(0.5), -0.9 * np.cos(0.5)))  # fmt: skip
    assert spread["l_p_hip"] == pytest.approx(np.degrees(0.5))


@pytest.fixture(scope="module")
def moving() -> np.ndarray:
    """People (P, 17, 3) in real motion."""
    return np.concatenate([clip[::20] for clip in MovingPeople.shipped(4).clips])


def test_the_human_models_own_chain_of_angles_gives_the_bones_back(moving: np.ndarray) -> None:
    found = dict(zip(ANGLES, joint_angles(moving).T, strict=True))
    links = dict(zip(LINKS, np.moveaxis(link_axes(moving), 1, 0), strict=True))
    down, worst = np.array([0.0, 0.0, -1.0]), 0.0
    for side, sign in (("l", 1.0), ("r", -1.0)):
        for person in range(len(moving)):
            a = {name: values[person] for name, values in found.items()}
            arm = (
                links["torso"][person]
                @ turn((0, 0, -sign), a[f"{side}_y_shoulder"])
                @ turn((sign, 0, 0), a[f"{side}_p_shoulder"])
                @ turn((0, 0, sign), a[f"{side}_r_shoulder"])
            )
            leg = (
                links["body"][person]
                @ turn((0, 0, -1), a[f"{side}_y_hip"])
                @ turn((sign, 0, 0), a[f"{side}_p_hip"])
                @ turn((0, -1, 0), a[f"{side}_r_hip"])
            )
            forearm = arm @ turn((0, -1, 0), a[f"{side}_elbow"])
            shin = leg @ turn((0, -1, 0), a[f"{side}_knee"])
            for part, begin, end in (
                (arm, "shoulder", "elbow"), (forearm, "elbow", "wrist"),
                (leg, "hip", "knee"), (shin, "knee", "ankle"),
            ):  # fmt: skip
                first, last = (JOINT_NAMES.index(f"{side}{name}") for name in (begin, end))
                bone = moving[person, last] - moving[person, first]
                cosine = part @ down @ bone / np.linalg.norm(bone)
                off = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
                worst = max(worst, off)
                # A straight knee's hinge is not seen, and its model cannot bend aside.
                assert off < 5, (side, begin, person)
    print(f"worst bone: {worst:.1f} degrees off")


def turn(axis: tuple[float, float, float], angle: float) -> np.ndarray:
    half = angle / 2
    return matrix_from_quaternion(np.array([*(np.sin(half) * np.array(axis)), np.cos(half)]))


def test_axes_are_rotations_whichever_way_people_are_turned(moving: np.ndarray) -> None:
    axes = link_axes(moving)
    eye = np.broadcast_to(np.eye(3), axes.shape)
    np.testing.assert_allclose(axes @ np.swapaxes(axes, -1, -2), eye, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(axes), 1.0)
    turned = turn((0.6, 0.0, 0.8), 2.1)
    np.testing.assert_allclose(link_axes(moving @ turned.T), turned @ axes, atol=1e-9)
    np.testing.assert_allclose(joint_angles(moving @ turned.T), joint_angles(moving), atol=1e-7)


def test_a_person_with_unknown_joints_has_unknown_frames_there_only() -> None:
    person = body()
    person[0, JOINT_NAMES.index("lwrist")] = np.nan
    axes = dict(zip(LINKS, link_axes(person)[0], strict=True))
    assert np.isnan(axes["l_wrist"]).all() and np.isfinite(axes["r_wrist"]).all()
    assert np.isfinite(axes["body"]).all()


def test_quaternions_and_matrices_are_the_same_rotations() -> None:
    rng = np.random.default_rng(3)
    quaternions = rng.normal(size=(200, 4))
    quaternions /= np.linalg.norm(quaternions, axis=-1, keepdims=True)
    quaternions *= np.sign(quaternions[:, 3:])
    matrices = np.stack([matrix_from_quaternion(q) for q in quaternions])
    np.testing.assert_allclose(quaternions_from_matrices(matrices), quaternions, atol=1e-12)
    half_turns = np.stack([np.diag(d) for d in ((1, -1, -1), (-1, 1, -1), (-1, -1, 1))])
    for matrix, quaternion in zip(
        half_turns, quaternions_from_matrices(half_turns.astype(float)), strict=True
    ):
        np.testing.assert_allclose(matrix_from_quaternion(quaternion), matrix, atol=1e-12)


def test_points_lie_on_all_known_bones_no_further_apart_than_asked() -> None:
    person = body()
    person[0, JOINT_NAMES.index("head")] = np.nan
    points = limb_points(person, 0.05)
    assert points.dtype == np.float32 and np.isfinite(points).all()
    known = [e for e in EDGES if JOINT_NAMES.index("head") not in e]
    for parent, child in known:
        along = np.linspace(person[0, parent], person[0, child], 50)
        gap = np.linalg.norm(along[:, None] - points[None], axis=-1).min(-1)
        assert gap.max() <= 0.026
    around = limb_points(person, 0.05, radius=0.06)
    assert len(around) == 5 * len(points)
    assert not len(limb_points(person[:0], 0.05))


def test_a_steady_walk_has_its_speed_and_a_gap_forgets_it() -> None:
    rng = np.random.default_rng(0)
    velocities, speed = Velocities(people=2), np.array([1.2, -0.4, 0.0])
    found = []
    for row in range(90):
        place = row / 30 * speed + rng.normal(0, 0.01, 3)
        found.append(velocities.update(("a",), round(row / 30 * 1e9), place[None])[0])
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(np.mean(found[30:], axis=0), speed, atol=0.05)
    assert np.std(found[30:], axis=0).max() < 0.12
    assert np.isnan(velocities.update(("a",), 10**10, np.zeros((1, 3)))).all()
    velocities.update(("b", "c", "d"), 10**10, np.zeros((3, 3)))
    assert len(velocities._known) == 2
