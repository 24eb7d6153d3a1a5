"""The lifter node with a streaming network, over DDS: the file alone says that it is one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("torch", reason="torch writes the network of this test")

from lifter_world import LifterWorld
from live_networks import write_live
from node_world import worlds
from rclpy.parameter import Parameter

from pstmo_core.keypoints.clip import Clip, load_clip
from pstmo_core.runtime import load_runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip
from pstmo_ros.conversions import joints_of, keypoints_message, stamp_ns

FRAMES = 60
BASE = 1_700_000_000_000_000_000
"""Stamps far from this machine's clock, as those of an old recording."""


world = worlds(LifterWorld)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_live(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def clip() -> Clip:
    whole = load_clip()
    assert whole.truth is not None
    return dataclasses.replace(
        whole,
        keypoints=whole.keypoints[:FRAMES],
        scores=whole.scores[:FRAMES],
        stamps=whole.stamps[:FRAMES],
        truth=whole.truth[:FRAMES],
    )


@pytest.mark.parametrize("look_ahead", [0, 2])
def test_the_node_and_the_offline_command_give_the_same_bits(
    world: Callable[..., LifterWorld], clip: Clip, file: Path, look_ahead: int
) -> None:
    # Nobody leaves while the machine is busy with something else between two frames.
    given: dict[str, Any] = {"look_ahead": look_ahead, "expire": 3.0}
    offline = lift_clip(clip, load_runtime(file), StreamConfig(**given), at_once=1)
    here = world(model=str(file), **given)
    here.start()
    for index in range(FRAMES):
        stamp = BASE + int(clip.stamps[index])
        here.keypoints.publish(keypoints_message(clip, index, stamp, "camera"))
        here.spin_for(0.005)
    here.spin_until(lambda: bool(here.skeletons) and not here.skeletons[-1].people)
    answered = [message for message in here.skeletons if message.people]
    assert len(answered) == FRAMES
    for index, message in enumerate(answered):
        assert stamp_ns(message.header.stamp) == BASE + int(clip.stamps[index])
        for skeleton in message.people:
            row = clip.ids.index(skeleton.id)
            np.testing.assert_array_equal(joints_of(skeleton), offline.joints[index, row])
            assert skeleton.observed == offline.observed[index, row]


def test_a_look_ahead_that_the_network_has_not_is_refused_and_others_are_not(
    world: Callable[..., LifterWorld], file: Path
) -> None:
    here = world(model=str(file))
    here.start()
    refused, taken = (
        here.lifter.set_parameters([Parameter("look_ahead", value=frames)])[0]
        for frames in (14, 13)
    )
    assert not refused.successful and "must be at most 13: the network answers" in refused.reason
    assert taken.successful
