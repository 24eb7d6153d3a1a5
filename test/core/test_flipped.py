"""Flip averaging: an answer is the mean over a person and the person's mirror image."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pstmo_core.encoding import encode_pixels, get_encoding
from pstmo_core.keypoints.clip import load_clip
from pstmo_core.keypoints.recorded import Clip
from pstmo_core.runtime import load_runtime, shipped_model
from pstmo_core.skeleton import mirror_order
from pstmo_core.streaming.config import PLAIN, StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip

MODELS = [shipped_model(), shipped_model().with_name("stmo_live.onnx")]


@pytest.fixture(scope="module")
def clip() -> Clip:
    """Four seconds of the sample, whose layout is the network's own."""
    whole = load_clip()
    return dataclasses.replace(
        whole, keypoints=whole.keypoints[:100], scores=whole.scores[:100],
        stamps=whole.stamps[:100], truth=None,
    )  # fmt: skip


def in_a_mirror(clip: Clip) -> Clip:
    points = clip.keypoints[:, :, mirror_order()].copy()
    points[..., 0] = clip.width - points[..., 0]
    return dataclasses.replace(clip, keypoints=points, scores=clip.scores[:, :, mirror_order()])


@pytest.mark.parametrize("name", ["screen", "person", "view"])
def test_an_encoding_of_the_mirror_image_is_the_mirrored_encoding(name: str, clip: Clip) -> None:
    shown = clip.keypoints.swapaxes(0, 1), clip.scores.swapaxes(0, 1).copy()
    shown[1][:, ::3, 5] = 0  # a joint that is not seen
    flipped = in_a_mirror(clip)
    other = flipped.keypoints.swapaxes(0, 1), shown[1][:, :, mirror_order()]
    size = np.tile(np.float32([clip.width, clip.height]), (len(shown[0]), 1))
    up = np.float32([0.1, -0.9, 0.3]) / np.sqrt(np.float32(0.91))
    up = np.broadcast_to(up, (*shown[0].shape[:2], 3))
    plain = encode_pixels(*shown, size, 900.0, name, up)
    mirrored = encode_pixels(*other, size, 900.0, name, up * np.float32([-1, 1, 1]))
    np.testing.assert_allclose(get_encoding(name).mirror(plain, np), mirrored, atol=1e-4)


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_people_in_a_mirror_get_the_mirrored_poses(model: object, clip: Clip) -> None:
    runtime = load_runtime(model)  # type: ignore[arg-type]
    settings = StreamConfig(keypoint_cutoff=0, joint_cutoff=0, unswap=0, outlier=0)
    pose = lift_clip(clip, runtime, settings).joints
    other = lift_clip(in_a_mirror(clip), runtime, settings).joints
    np.testing.assert_allclose(
        other[:, :, mirror_order()] * np.float32([-1, 1, 1]), pose, atol=2e-5
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_an_answer_is_the_mean_of_both_ways(model: object, clip: Clip) -> None:
    runtime = load_runtime(model)  # type: ignore[arg-type]
    settings = StreamConfig(**PLAIN)
    alone = dataclasses.replace(settings, flip=False)
    back = np.float32([-1, 1, 1])
    plain = lift_clip(clip, runtime, alone).joints
    mirrored = lift_clip(in_a_mirror(clip), runtime, alone).joints[:, :, mirror_order()] * back
    both = lift_clip(clip, runtime, settings).joints
    assert np.nanmean(np.linalg.norm(plain - mirrored, axis=-1)) > 1e-3
    np.testing.assert_allclose(both, (plain + mirrored) / 2, atol=2e-5)
