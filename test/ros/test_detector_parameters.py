"""The detector node's parameters: files that are missing, values that are wrong, defaults."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from bright_spot import BrightSpot, Darkroom, raw, spot
from node_world import overrides, worlds
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from pstmo_core.detection import DetectorOptions, load_detector
from pstmo_core.errors import ConfigError
from pstmo_ros.detector_node import DetectorNode

REFUSED = TransitionCallbackReturn.FAILURE
FILE = Path(__file__).parents[2] / "config" / "detector.yaml"

world = worlds(Darkroom)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"detector": "rtm"}, "set pose_model"),
        ({"detector": "onnx"}, "set pose_model"),
        ({"detector": "onnx", "pose_model": "/no/such.onnx"}, "/no/such.onnx: no such file"),
        ({"detector": "mediapipe"}, "pose_landmarker"),
        ({"pose_model": "thundre"}, "of the detector movenet is auto, lightning, lightning-twice"),
        ({"detector": "rtm", "pose_model": "thunder"}, "a network of the detector movenet"),
    ],
)
def test_a_missing_file_is_a_sentence_that_names_the_parameter(
    world: Callable[..., Darkroom],
    capfd: pytest.CaptureFixture[str],
    given: dict[str, str],
    says: str,
) -> None:
    here = world(None, **given)
    assert here.node.trigger_configure() == REFUSED
    log = capfd.readouterr().err
    assert "cannot configure" in log and "Traceback" not in log
    assert says in log or "pip install" in log


@pytest.mark.parametrize(
    ("seconds", "network"), [(0.0002, "thunder-twice: a person"), (0.06, "lightning: a person")]
)
def test_the_node_says_once_which_network_suits_the_speed_of_the_machine_and_why(
    world: Callable[..., Darkroom],
    capfd: pytest.CaptureFixture[str],
    seconds: float,
    network: str,
) -> None:
    clock = itertools.count(0.0, seconds).__next__

    class Paced(BrightSpot):
        """The detector that ships, on a machine that takes `seconds` for whatever is timed."""

        def load(self, kind: str, options: DetectorOptions) -> Any:
            return load_detector(kind, options, clock)

    here = world(Paced())
    here.start()
    here.images.publish(raw(1, spot(1)))
    here.spin_until(lambda: len(here.keypoints) == 1)
    log = capfd.readouterr().err
    assert log.count("refined by MoveNet") == 1 and f"refined by MoveNet {network}" in log


def test_the_detector_for_rendered_people_warns_of_other_images(
    world: Callable[..., Darkroom], capfd: pytest.CaptureFixture[str]
) -> None:
    world(None, detector="simulation").start()
    log = capfd.readouterr().err
    assert "finds rendered people only, but the images on image_raw are of world" in log
    assert "set detector to movenet" in log


def test_a_detector_can_be_changed_only_while_unconfigured(world: Callable[..., Darkroom]) -> None:
    here = world(BrightSpot())
    (result,) = here.node.set_parameters([Parameter("detector", value="onnx")])
    assert result.successful
    here.start()
    for name, value in (("detector", "rtm"), ("person_score", 0.5)):
        (result,) = here.node.set_parameters([Parameter(name, value=value)])
        assert not result.successful
        assert "only while the node is unconfigured" in result.reason


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("detector", "yolo", "rtm"),
        ("image_transport", "theora", "compressed"),
        ("image_topic", "my images", "a topic's name"),
        ("people_from", "nowhere", "previous"),
        ("person_score", 2.0, "between 0.0 and 1.0"),
        ("pose_deviation", [1.0, 0.0, 1.0], "three numbers of 0.001 or more"),
        ("pose_mean", [1.0], "three numbers"),
    ],
)
def test_a_node_does_not_start_with_a_wrong_parameter(
    ros: None, name: str, value: Any, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        DetectorNode(parameter_overrides=overrides({name: value}))
    assert name in str(refused.value)


def test_the_file_has_every_parameter_at_its_default(world: Callable[..., Darkroom]) -> None:
    in_file = yaml.safe_load(FILE.read_text())["/**"]["ros__parameters"]
    of_ros = ("use_sim_time", "start_type_description_service")
    found = world(BrightSpot()).node.get_parameters_by_prefix("")
    declared = {n: p.value for n, p in found.items() if n not in of_ros and "qos_over" not in n}
    plain = {
        n: v if isinstance(v, (str, bool, int, float)) else list(v) for n, v in declared.items()
    }
    assert in_file == plain
    assert {n: type(v) for n, v in in_file.items()} == {n: type(v) for n, v in plain.items()}


def test_names_that_detector_and_lifter_share_mean_the_same(world: Callable[..., Darkroom]) -> None:
    """They run in one process, where a parameter file is for both."""
    from pstmo_ros.lifter_node import LifterNode

    here, lifter = world(BrightSpot()).node, LifterNode()
    shared = set(here.get_parameters_by_prefix("")) & set(lifter.get_parameters_by_prefix(""))
    lifter.destroy_node()
    of_ros = {"use_sim_time", "start_type_description_service"}
    assert {n for n in shared - of_ros if "qos_over" not in n} == {
        "autostart", "keypoints_topic", "rotation",
    }  # fmt: skip
