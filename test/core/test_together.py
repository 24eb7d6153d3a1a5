"""People of several cameras are lifted in one inference, as each camera alone would lift them."""

from __future__ import annotations

import numpy as np

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.runtime import Runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter, shared_embeddings
from pstmo_core.streaming.together import push_together

NS = 1_000_000_000


def seen_by(camera: int, walk: tuple[np.ndarray, np.ndarray], row: int) -> KeypointFrame:
    """What a camera sees of its people: its own resolution, focal length, rate and stamps."""
    times, points = walk
    count = camera + 1
    size = ((1280, 720), (640, 480))[camera]
    many = np.stack([points[row] * np.float32(0.5 + 0.2 * k) for k in range(count)])
    stamp = int(times[row] * NS) + 7_000_000 * camera
    names = tuple(f"p{k}" for k in range(count))
    scores = np.ones((count, 17), np.float32)
    return KeypointFrame(stamp, names, many, scores, *size, focal=(900.0, 450.0)[camera])


def test_two_cameras_are_lifted_in_one_inference_as_each_alone(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray], counted: list[int]
) -> None:
    config = StreamConfig()
    alone = [StreamLifter(runtime, config) for _ in range(2)]
    expected = [[a.push(seen_by(c, walk, row)) for row in range(40)] for c, a in enumerate(alone)]
    counted.clear()
    shared = shared_embeddings(runtime, config)
    cameras = [StreamLifter(runtime, config, shared) for _ in range(2)]
    for row in range(40):
        answers = push_together([(c, seen_by(at, walk, row)) for at, c in enumerate(cameras)])
        for camera, found in enumerate(answers):
            (answer,), (wanted,) = found, expected[camera][row]
            assert (answer.ids, answer.stamp) == (wanted.ids, wanted.stamp)
            np.testing.assert_allclose(answer.joints, wanted.joints, atol=1e-5)
            np.testing.assert_allclose(answer.roots.position, wanted.roots.position, atol=1e-4)
    # One person before the first camera, two before the second, and everybody's mirror image.
    assert counted == [6] * 40


def test_a_camera_without_people_and_a_silent_one_take_nothing_from_the_others(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    config = StreamConfig(bridge=0.0)
    shared = shared_embeddings(runtime, config)
    first, second = (StreamLifter(runtime, config, shared) for _ in range(2))
    nobody = np.empty((0, 17, 2), np.float32)
    for row in range(5):
        stamp = int(walk[0][row] * NS)
        empty = KeypointFrame(stamp, (), nobody, nobody[..., 0], 640, 480)
        left, right = push_together([(first, empty), (second, seen_by(1, walk, row))])
        assert left[0].ids == () and right[0].ids == ("p0", "p1")
    assert push_together([]) == []
    assert first.people == () and second.people == ("p0", "p1")
