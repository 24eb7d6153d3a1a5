"""The same recording gives the same bits: twice, at any speed, under load."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from node_world import World, overrides, worlds
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from pstmo_core.detection import DetectorOptions, load_detector
from pstmo_core.keypoints.clip import sample_video_path
from pstmo_core.lift.keypoints_from_images import keypoints_from_images
from pstmo_core.lift.sources import Images
from pstmo_core.lift.videos import video_images
from pstmo_core.runtime import load_runtime, shipped_model
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip
from pstmo_ros.conversions import joints_of, stamp_ns, time_message
from pstmo_ros.detector_node import DetectorNode
from pstmo_ros.lifter_node import LifterNode
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


#: With these a node's detector does not adapt to the machine's speed.
FIXED = {"pose_model": "lightning", "input_size": 256, "search_tiles": 1, "detected_people": 4}


class Eye(World):
    """A detector and a lifter, and a camera that shows an image when the one before is answered."""

    def __init__(self) -> None:
        super().__init__()
        given = {"qos_reliability": "reliable", "expire": 5.0}
        self._nodes = [
            self.take_in(DetectorNode(parameter_overrides=overrides(FIXED))),
            self.take_in(LifterNode(parameter_overrides=overrides(given))),
        ]
        self.answers: list[Skeletons3D] = self.listen(Skeletons3D, "skeletons")
        self._images = self.create_publisher(Image, "image_raw", 10)

    def see(self, frames: list[tuple[int, np.ndarray]]) -> list[Skeletons3D]:
        """Show images at their stamps and return what was made of each."""
        assert all(node.start() for node in self._nodes)
        self.spin_until(
            lambda: self._images.get_subscription_count() and self.count_subscribers("keypoints")
        )
        self.answers.clear()
        for number, (stamp, image) in enumerate(frames, 1):
            height, width = image.shape[:2]
            header = Header(stamp=time_message(stamp), frame_id="camera")
            self._images.publish(
                Image(
                    header=header, width=width, height=height, encoding="bgr8", step=3 * width,
                    data=image.tobytes(),
                )
            )  # fmt: skip
            self.spin_until(lambda number=number: len(self.answers) == number)
        return list(self.answers)


eye = worlds(Eye)


def test_images_give_the_same_bits_twice_and_offline(eye: Callable[[], Eye]) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
    film = islice(video_images(sample_video_path(), None).frames(), 15)
    frames = [(BEGINNING + stamp, cv2.resize(image, (480, 360))) for stamp, image in film]
    first, second = eye().see(frames), eye().see(frames)  # a world does nothing unless it spins
    assert [repr(answer) for answer in first] == [repr(answer) for answer in second]
    detector = load_detector("movenet", DetectorOptions(**FIXED))
    config = StreamConfig(expire=5.0)
    found = keypoints_from_images(Images(lambda: iter(frames)), detector, config, "park").clip
    offline = lift_clip(found, load_runtime(), config, at_once=1)
    seen = 0
    for index, answer in enumerate(first):
        assert stamp_ns(answer.header.stamp) == frames[index][0]
        for skeleton in answer.people:
            person = found.ids.index(skeleton.id)
            np.testing.assert_array_equal(joints_of(skeleton), offline.joints[index, person])
            seen += 1
    assert seen > 15
