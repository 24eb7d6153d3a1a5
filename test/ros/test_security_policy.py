"""The SROS2 policy allows what the nodes do, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as Xml
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from pstmo_core.keypoints.clip import sample_video_path
from pstmo_ros.camera_node import CameraNode
from pstmo_ros.detector_node import DetectorNode
from pstmo_ros.keypoint_player import KeypointPlayer
from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.people_merger import PeopleMerger
from pstmo_ros.run_node import CANNOT_START

FOLDER = Path(__file__).parents[2] / "config" / "security"
INCLUDE = "{http://www.w3.org/2001/XInclude}include"

Allowed = dict[tuple[str, str], set[str]]
#: Asked for only under simulated time, or by the transport of images that was chosen.
SOMETIMES = {"/clock", "/image_raw/compressed"}
if find_spec("tf2_msgs") is None:  # nobody is told of frames without it
    SOMETIMES |= {"/tf_static"}


def allowed(profile: Xml.Element, node: str) -> Allowed:
    """Return what a profile allows, by kind and direction, with full names."""
    found: Allowed = defaultdict(set)
    for part in profile:
        if part.tag == INCLUDE:
            for key, names in allowed(
                Xml.parse(FOLDER / part.attrib["href"]).getroot(), node
            ).items():
                found[key] |= names
            continue
        (direction,) = part.attrib
        assert part.attrib[direction] == "ALLOW"
        for entry in part:
            assert entry.text and "*" not in entry.text, "no wildcards: each name is given"
            name = entry.text.replace("~", f"/{node}")
            found[part.tag, direction].add(name if name.startswith("/") else f"/{name}")
    return found


@pytest.fixture
def running(ros: None) -> Iterator[Node]:
    """The nodes, active, and who looks at the graph."""
    simulated = {"detector": "simulation", "image_transport": "raw"}
    given = [Parameter(name, value=value) for name, value in simulated.items()]
    film = [Parameter("source", value=str(sample_video_path()))]
    nodes = [
        LifterNode(), DetectorNode(parameter_overrides=given), KeypointPlayer(),
        CameraNode(parameter_overrides=film), PeopleMerger(),
    ]  # fmt: skip
    for node in nodes[:2]:
        assert node.start()
    observer = Node("observer")
    spinner = SingleThreadedExecutor()
    for node in (*nodes, observer):
        spinner.add_node(node)
    known, end = 0.0, time.monotonic() + 20.0
    while time.monotonic() < end and (not known or time.monotonic() < known + 2.0):
        spinner.spin_once(timeout_sec=0.05)
        if not known and dict(observer.get_publisher_names_and_types_by_node("lifter", "/")).get(
            "/skeletons"
        ):
            known = time.monotonic()
    yield observer
    spinner.shutdown()
    for node in (*nodes, observer):
        node.destroy_node()


def test_the_policy_is_what_the_nodes_do(running: Node) -> None:
    for name in ("lifter", "detector", "camera", "keypoint_player", "people_merger"):
        profile = Xml.parse(FOLDER / f"{name}.xml").getroot()
        assert (profile.attrib["ns"], profile.attrib["node"]) == ("/", name)
        done = {
            ("topics", "publish"): running.get_publisher_names_and_types_by_node(name, "/"),
            ("topics", "subscribe"): running.get_subscriber_names_and_types_by_node(name, "/"),
            ("services", "reply"): running.get_service_names_and_types_by_node(name, "/"),
            ("services", "request"): running.get_client_names_and_types_by_node(name, "/"),
        }
        policy = allowed(profile, name)
        for key, entries in done.items():
            used, names = {entry for entry, _ in entries}, policy[key]
            assert used <= names and names - used <= SOMETIMES, (name, key)


def test_every_process_has_an_enclave_with_the_profiles_of_its_nodes() -> None:
    enclaves = {
        enclave.attrib["path"].removeprefix("/pstmo/"): [
            part.attrib["href"].removesuffix(".xml") for part in enclave.iter(INCLUDE)
        ]
        for enclave in Xml.parse(FOLDER / "policy.xml").iter("enclave")
    }
    assert enclaves.pop("image_lifter") == ["lifter", "detector", "camera"]
    assert enclaves == {name: [name] for name in enclaves}
    parts = {"policy", "node", "lifecycle_node"}
    assert {file.stem for file in FOLDER.glob("*.xml")} == {*enclaves} | parts


def test_a_node_that_is_to_be_secured_and_cannot_be_does_not_start(tmp_path: Path) -> None:
    # No keys are there; and the wheels' Fast DDS could not use them.
    (tmp_path / "keys" / "enclaves" / "pstmo" / "lifter").mkdir(parents=True)
    secured = {
        "ROS_SECURITY_KEYSTORE": str(tmp_path / "keys"),
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Enforce",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "pstmo_ros.lifter_node", "--ros-args", "--enclave", "/pstmo/lifter"],
        cwd=tmp_path,
        env={**os.environ, **secured},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == CANNOT_START and "Traceback" not in ended.stderr
    assert "not started, because it could not be secured" in ended.stderr
