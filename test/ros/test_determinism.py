"""The same recording gives the same bits: twice, at any speed, under load."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from pstmo_core.runtime import shipped_model
from pstmo_ros.conversions import stamp_ns
from pstmo_ros.msg import People2D, Skeletons3D
from pstmo_ros.torture.peer import Peer
from pstmo_ros.torture.stand import Stand

BEGINNING, FRAMES, INTERVAL = 10**18, 90, 33_000_000
#: No frame is lost, and nobody leaves while the machine is busy with something else.
KEEP_ALL = {"qos_reliability": "reliable", "qos_depth": "1000", "expire": "3.0"}


def replayed(peer: Peer, messages: list[People2D], speed: float) -> list[str]:
    """Play a recording at a speed and return all fields of what came of it, written in full.

    Not the serialised bytes: those between fields, which align them, hold whatever memory held.
    """
    peer.skeletons.clear()
    begin = time.monotonic()
    for index, message in enumerate(messages):
        due = begin + index * INTERVAL / 1e9 / speed
        peer.spin(max(0.0, due - time.monotonic()))
        peer.keypoints.publish(message)
    end = BEGINNING + FRAMES * INTERVAL

    def answers() -> list[Skeletons3D]:
        return [s for s in peer.skeletons if BEGINNING <= stamp_ns(s.header.stamp) < end]

    peer.wait(lambda: len(answers()) >= FRAMES, 30.0)
    return [repr(answer) for answer in answers()]


@pytest.mark.parametrize("look_ahead", [0, 5])
@pytest.mark.parametrize("network", ["stmo_27.onnx", "stmo_live.onnx"])
def test_a_recording_gives_the_same_bits_twice_at_any_speed_and_under_load(
    ros: None, network: str, look_ahead: int
) -> None:
    model = str(shipped_model().with_name(network))
    with Stand(seconds=60.0) as stand:
        parameters = {**KEEP_ALL, "look_ahead": str(look_ahead), "model": model}
        _, peer = stand.lifter(parameters=parameters)
        peer.frame(0)
        # The last ones wait for those that follow, which are not compared.
        stamps = [BEGINNING + index * INTERVAL for index in range(FRAMES + look_ahead)]
        messages = [peer.frame(stamp) for stamp in stamps]
        first = replayed(peer, messages, speed=1.0)
        assert len(first) == FRAMES
        assert replayed(peer, messages, speed=1.0) == first
        assert replayed(peer, messages, speed=1000.0) == first
        stop = threading.Event()
        load = threading.Thread(target=lambda: [sum(range(10**4)) for _ in iter(stop.is_set, True)])
        load.start()
        try:
            assert replayed(peer, messages, speed=4.0) == first
        finally:
            stop.set()
            load.join()
