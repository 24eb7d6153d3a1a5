"""The examples' nodes over DDS: images to keypoints, and skeletons to the nearest wrist."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.msg import People2D, Skeletons3D
from pstmo_ros.virtual_camera import VirtualCamera

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def spin_until(nodes: list[Node], holds: Callable[[], bool], seconds: float = 20.0) -> None:
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        executor.spin_once(timeout_sec=0.05)
    for node in nodes:
        executor.remove_node(node)


def test_a_detector_of_ones_own_feeds_the_lifter(ros: None) -> None:
    standing = np.array(example("keypoint_array").STANDING, float)[None]
    seen: list[tuple[int, ...]] = []

    def detect(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(image.shape)
        return standing, np.ones((1, 17))

    publisher = example("publish_people").PeoplePublisher(detect)
    world, lifter = Node("world"), LifterNode()
    heard: dict[str, list] = {"keypoints": [], "skeletons": []}
    world.create_subscription(People2D, "keypoints", heard["keypoints"].append, 10)
    world.create_subscription(Skeletons3D, "skeletons", heard["skeletons"].append, 10)
    images = world.create_publisher(Image, "image", qos_profile_sensor_data)
    assert lifter.start()
    nodes = [publisher, world, lifter]
    spin_until(nodes, lambda: world.count_subscribers("keypoints") == 2)
    number = 0

    def image_comes() -> bool:
        nonlocal number
        number += 1
        image = Image(width=640, height=480, encoding="bgr8", step=1920, data=bytes(921600))
        image.header.frame_id = "camera"
        image.header.stamp.sec, image.header.stamp.nanosec = 100, number * 33_000_000
        images.publish(image)
        return len(heard["skeletons"]) >= 3

    spin_until(nodes, image_comes)
    assert seen[0] == (480, 640, 3)
    assert heard["keypoints"][0].layout == "coco17"
    skeletons = heard["skeletons"][-1]
    assert skeletons.header.frame_id == "camera"
    assert np.isfinite(skeletons.people[0].joints).all()
    for node in nodes:
        node.destroy_node()


def test_the_nearest_wrist_of_the_virtual_cameras_people(
    ros: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, lifter, camera = example("nearest_wrist").NearestWrist(), LifterNode(), VirtualCamera()
    said: list[str] = []
    monkeypatch.setattr(node, "get_logger", lambda: type("Log", (), {"info": said.append}))
    # The camera knows where its people are: what a detector would find.
    keypoints = camera.create_publisher(People2D, "keypoints", 10)
    world = Node("world")
    world.create_subscription(People2D, "truth_keypoints", keypoints.publish, 10)
    assert lifter.start()
    spin_until([node, lifter, camera, world], lambda: any("m from" in line for line in said), 40.0)
    distance = float(next(line for line in said if "m from" in line).split()[0])
    assert 1.0 < distance < 8.0
    for each in (node, lifter, camera, world):
        each.destroy_node()
