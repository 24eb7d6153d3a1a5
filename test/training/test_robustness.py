"""Faults of the input that an evaluation adds on purpose: they are what they say, and seeded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="windows are torch tensors")

from pstmo_core.data.motion.mocap import load_mocap  # noqa: E402
from pstmo_core.data.sequences.mocap import mocap_dataset  # noqa: E402
from pstmo_core.data.sequences.windows import SequenceWindows  # noqa: E402
from pstmo_core.errors import ConfigError  # noqa: E402
from pstmo_core.evaluation.robustness import Corruption, Shuffle, corrupt  # noqa: E402


@pytest.fixture(scope="module")
def clean(mocap_file: Path) -> SequenceWindows:
    return SequenceWindows.of(mocap_dataset(load_mocap(mocap_file, "test"), seed=1))


def encoded(data: SequenceWindows) -> torch.Tensor:
    return data.encode(data.cut(torch.arange(len(data.valid)), 1, 1), "screen")


@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.05])
def test_noise_has_its_deviation_in_normalised_screen_units(
    clean: SequenceWindows, sigma: float
) -> None:
    spoiled = corrupt(clean, Corruption(noise=sigma))
    difference = (encoded(spoiled) - encoded(clean)).reshape(-1, 2)
    np.testing.assert_allclose(difference.std(0), sigma, rtol=0.03)
    np.testing.assert_allclose(difference.mean(0), 0, atol=0.05 * sigma)
    assert torch.equal(spoiled.poses, clean.poses)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_faults_and_another_others(clean: SequenceWindows) -> None:
    one, same, other = (
        corrupt(clean, Corruption(0.01, False, 0.1, 0.1, seed=seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(one.keypoints, same.keypoints) and torch.equal(one.seen, same.seen)
    assert not torch.equal(one.keypoints, other.keypoints)


def test_nothing_is_changed_by_default(clean: SequenceWindows) -> None:
    assert torch.equal(corrupt(clean, Corruption()).keypoints, clean.keypoints)


def test_a_missing_joint_is_flagged_and_stays_where_it_was_last_seen(
    clean: SequenceWindows,
) -> None:
    spoiled = corrupt(clean, Corruption(missing_joints=0.3))
    missing = spoiled.seen == 0
    assert abs(float(missing.float().mean()) - 0.3) < 0.01
    held = spoiled.keypoints.numpy()
    for start, length in zip(clean.start.tolist(), clean.length.tolist(), strict=True):
        for joint in (0, 5, 16):
            seen = np.flatnonzero(~missing[start : start + length, joint].numpy()) + start
            for row in range(start, start + min(length, 60)):
                before = seen[seen <= row]
                source = before[-1] if len(before) else seen[0]
                np.testing.assert_array_equal(held[row, joint], clean.keypoints[source, joint])


def test_a_joint_that_is_never_seen_lies_in_the_image_centre(clean: SequenceWindows) -> None:
    spoiled = corrupt(clean, Corruption(missing_joints=1 - 1e-7, seed=2))
    assert (spoiled.seen == 0).all()
    assert encoded(spoiled).abs().max() < 1e-6


def test_a_lost_frame_is_the_last_one_before_it(clean: SequenceWindows) -> None:
    spoiled = corrupt(clean, Corruption(missing_frames=0.4))
    changed = (spoiled.keypoints != clean.keypoints).flatten(1).any(1)
    assert abs(float(changed.float().mean()) - 0.4) < 0.05
    for start, length in zip(clean.start.tolist(), clean.length.tolist(), strict=True):
        for row in range(start + 1, start + length):
            if changed[row]:
                first = not changed[start:row].all()
                expected = spoiled.keypoints[row - 1] if first else spoiled.keypoints[start]
                assert torch.equal(spoiled.keypoints[row], expected)
    assert (spoiled.seen == 1).all()


def test_shuffling_orders_the_input_differently_and_leaves_the_poses(
    clean: SequenceWindows,
) -> None:
    cut = clean.cut(clean.targets()[::30], 1, 27)
    corruption = Corruption(shuffle=True, seed=5)
    shuffled = Shuffle(corruption)(cut)
    assert shuffled.poses is cut.poses
    assert not torch.equal(shuffled.keypoints, cut.keypoints)
    for one, other in zip(shuffled.keypoints, cut.keypoints, strict=True):
        same = (one[:, None] == other[None]).flatten(2).all(-1)
        assert (same.any(0) & same.any(1)).all()  # the same frames, each somewhere
    in_parts = Shuffle(corruption)
    count = len(cut.size)
    parts = [
        in_parts(clean.cut(rows, 1, 27)).keypoints
        for rows in clean.targets()[::30].split(count // 3)
    ]
    assert torch.equal(torch.cat(parts), shuffled.keypoints)


@pytest.mark.parametrize(
    ("name", "value"),
    [("noise", -1.0), ("noise", float("nan")), ("missing_joints", 1.0), ("missing_frames", -0.1)],
)
def test_what_cannot_be_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} is"):
        Corruption(**{name: value})  # type: ignore[arg-type]
