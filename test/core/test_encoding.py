"""Encodings: what they promise the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pstmo_core import encoding


def poses(walk: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return (walk[1] - [640, 360]).astype(np.float32) / 900


def test_the_screen_encoding_is_the_papers() -> None:
    corners = np.array([[0, 0], [1000, 1002], [500, 501]], np.float32)
    actual = encoding.screen(corners, 1000, 1002, np)
    np.testing.assert_allclose(actual, [[-1, -1.002], [1, 1.002], [0, 0]], atol=1e-6)


def test_numpy_and_torch_encode_alike(walk: tuple[np.ndarray, np.ndarray]) -> None:
    rays = poses(walk)
    seen = (np.random.default_rng(0).random(rays.shape[:-1]) > 0.2).astype(np.float32)
    ours = encoding.person(rays, seen, np)
    theirs = encoding.person(torch.from_numpy(rays), torch.from_numpy(seen), torch)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_a_person_elsewhere_and_nearer_has_the_same_joints(
    walk: tuple[np.ndarray, np.ndarray],
) -> None:
    rays = poses(walk)
    seen = np.ones(rays.shape[:-1], np.float32)
    here = encoding.person(rays, seen, np)
    there = encoding.person(rays * 2 + np.float32(0.3), seen, np)
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
    np.testing.assert_array_equal(encoding.person(rays, seen, np), encoding.person(wild, seen, np))


def test_a_person_of_whom_nothing_is_seen_is_encoded_finitely() -> None:
    empty = encoding.person(np.zeros((4, 17, 2), np.float32), np.zeros((4, 17), np.float32), np)
    assert np.isfinite(empty).all()


def test_a_person_is_encoded_alike_bit_for_bit_whoever_else_is_there(
    walk: tuple[np.ndarray, np.ndarray],
) -> None:
    rays = poses(walk)
    seen = np.ones(rays.shape[:-1], np.float32)
    seen[1::3, 0] = 0  # some without a pelvis
    seen[::2, 5] = 0
    together = encoding.person(rays, seen, np)
    alone = [encoding.person(rays[[row]], seen[[row]], np) for row in range(len(rays))]
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
