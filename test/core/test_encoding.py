"""Encodings: what they promise the network."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")

from typing import Any

import torch

from pstmo_core import encoding
from pstmo_core.encoding.person import TYPICAL_SIZE


def encode(
    name: str, rays: Any, scores: Any, up: Any = None, xp: Any = np, size: Any = None
) -> Any:
    """Encode rays, or pixels of an image of some size."""
    up = xp.zeros((*rays.shape[:-2], 3)) if up is None else up
    centre = 0.0 if size is None else size / 2
    return encoding.ENCODINGS[name].encode(rays, scores, size, 1.0, centre, up, xp)


def poses(walk: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return (walk[1] - [640, 360]).astype(np.float32) / 900


def test_the_screen_encoding_is_the_papers() -> None:
    corners = np.array([[0, 0], [1000, 1002], [500, 501]], np.float32)
    size = np.array([[1000, 1002]], np.float32)
    actual = encode("screen", corners, np.ones(3), size=size)
    np.testing.assert_allclose(actual, [[-1, -1.002], [1, 1.002], [0, 0]], atol=1e-6)


def test_numpy_and_torch_encode_alike(walk: tuple[np.ndarray, np.ndarray]) -> None:
    rays = poses(walk)
    seen = (np.random.default_rng(0).random(rays.shape[:-1]) > 0.2).astype(np.float32)
    ours = encode("person", rays, seen)
    theirs = encode("person", torch.from_numpy(rays), torch.from_numpy(seen), xp=torch)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_a_person_elsewhere_and_nearer_has_the_same_joints(
    walk: tuple[np.ndarray, np.ndarray],
) -> None:
    rays = poses(walk)
    seen = np.ones(rays.shape[:-1], np.float32)
    here = encode("person", rays, seen)
    there = encode("person", rays * 2 + np.float32(0.3), seen)
    np.testing.assert_allclose(there[..., :17, :], here[..., :17, :], atol=1e-4)
    np.testing.assert_allclose(there[..., 17, 2] - here[..., 17, 2], np.log(2), atol=1e-4)


def test_unseen_joints_do_not_matter_whatever_they_hold(
    walk: tuple[np.ndarray, np.ndarray],
) -> None:
    rays = poses(walk)
    seen = np.ones(rays.shape[:-1], np.float32)
    seen[:, [0, 3, 13]] = 0
    wild = rays.copy()
    wild[:, [0, 3, 13]] = 1e6
    np.testing.assert_array_equal(encode("person", rays, seen), encode("person", wild, seen))


def test_a_person_of_whom_nothing_is_seen_is_encoded_finitely() -> None:
    empty = encode("person", np.zeros((4, 17, 2), np.float32), np.zeros((4, 17), np.float32))
    assert np.isfinite(empty).all()


def test_a_person_is_encoded_alike_bit_for_bit_whoever_else_is_there(
    walk: tuple[np.ndarray, np.ndarray],
) -> None:
    rays = poses(walk)
    seen = np.ones(rays.shape[:-1], np.float32)
    seen[1::3, 0] = 0  # some without a pelvis
    seen[::2, 5] = 0
    together = encode("person", rays, seen)
    alone = [encode("person", rays[[row]], seen[[row]]) for row in range(len(rays))]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_a_known_focal_length_replaces_the_assumed_one(
    walk: tuple[np.ndarray, np.ndarray],
) -> None:
    points, size = walk[1][None, :27], np.array([[1280.0, 720.0]])
    seen = np.ones(points.shape[:-1], np.float32)
    assumed = encoding.encode_pixels(points, seen, size, 0.0, "person")
    given = encoding.encode_pixels(points, seen, size, encoding.ASSUMED_FOCAL * 1280, "person")
    other = encoding.encode_pixels(points, seen, size, 2 * encoding.ASSUMED_FOCAL * 1280, "person")
    np.testing.assert_allclose(assumed, given, atol=1e-6)
    np.testing.assert_allclose(assumed[..., 17, :2], 2 * other[..., 17, :2], atol=1e-5)


@pytest.mark.parametrize("name", ["person", "screen"])
@pytest.mark.parametrize("focal", [0.0, 900.0])
def test_decoding_poses_gives_back_the_pixels(
    walk: tuple[np.ndarray, np.ndarray], name: str, focal: float
) -> None:
    points, size = walk[1][None, :27], np.array([[1280.0, 720.0]])
    frames = encoding.encode_pixels(
        points, np.ones(points.shape[:-1], np.float32), size, focal, name
    )
    pixels = encoding.decode_poses(frames[..., :17, :2], frames, size, focal, name)
    np.testing.assert_allclose(pixels, points, atol=0.01)


def turned(rays: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Rays as a camera sees them that is turned."""
    directions = np.concatenate([rays, np.ones_like(rays[..., :1])], -1) @ rotation.T
    return (directions[..., :2] / directions[..., 2:]).astype(np.float32)


def about(axis: str, degrees: float) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = {
        "x": [[1, 0, 0], [0, cos, -sin], [0, sin, cos]],
        "y": [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]],
        "z": [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]],
    }
    return np.array(matrix[axis])


def test_a_view_is_the_same_however_a_camera_in_that_place_is_turned(
    walk: tuple[np.ndarray, np.ndarray],
) -> None:
    """With gravity known: pan, tilt and roll of a camera do not change what the network sees."""
    rays, scores = poses(walk), np.full((100, 17), 0.7, np.float32)
    up = np.array([0.0, -1.0, 0.0], np.float32)
    straight = encode("view", rays, scores, np.broadcast_to(up, (100, 3)))
    camera = about("z", 25) @ about("x", -20) @ about("y", 30)
    other_up = np.broadcast_to((camera @ up).astype(np.float32), (100, 3))
    askew = encode("view", turned(rays, camera), scores, other_up)
    np.testing.assert_allclose(askew[:, :17], straight[:, :17], atol=1e-4)
    np.testing.assert_allclose(askew[:, 18], straight[:, 18], atol=1e-5)
    np.testing.assert_allclose(askew[:, 17, 2], straight[:, 17, 2], atol=1e-4)


def test_poses_of_a_view_are_turned_back_to_where_the_keypoints_are(
    walk: tuple[np.ndarray, np.ndarray],
) -> None:
    rays, scores = poses(walk) + np.float32(0.4), np.ones((100, 17), np.float32)
    up = np.array([0.1, -0.9, -0.4], np.float32)
    frames = encode("view", rays, scores, np.broadcast_to(up, (100, 3)))
    rows = frames[:, :17, :2] * np.exp(frames[:, 17:18, 2:]) * TYPICAL_SIZE
    seen = np.concatenate([rows, np.ones_like(rows[..., :1])], -1)  # at a depth of 1 m
    back = encoding.camera_poses(seen, frames, up)
    np.testing.assert_allclose(back[..., :2] / back[..., 2:], rays, atol=1e-5)


def test_views_in_numpy_and_torch_are_alike_seen_or_not(
    walk: tuple[np.ndarray, np.ndarray],
) -> None:
    rays, random = poses(walk), np.random.default_rng(0)
    scores = random.random((100, 17)).astype(np.float32)
    scores[random.random((100, 17)) < 0.2] = 0
    scores[:3] = 0
    scores[3, 1:] = 0
    up = np.where(random.random((100, 1)) < 0.5, [0.0, -1.0, 0.0], 0.0).astype(np.float32)
    ours = encode("view", rays, scores, up)
    theirs = encode("view", *map(torch.from_numpy, (rays, scores, up)), torch)
    assert np.isfinite(ours).all() and np.abs(ours).max() < 10
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)
    assert (ours[:, :17][scores == 0] == 0).all()


def test_pixels_of_a_view_come_back(walk: tuple[np.ndarray, np.ndarray]) -> None:
    points, size = walk[1][None], np.array([[1280, 720]])
    scores, up = np.ones(points.shape[:-1], np.float32), np.array([0.2, -0.9, -0.3])
    frames = encoding.encode_pixels(points, scores, size, 900.0, "view", up)
    back = encoding.decode_poses(frames[:, :, :17, :2], frames, size, 900.0, "view", up)
    np.testing.assert_allclose(back, points, atol=1e-2)
