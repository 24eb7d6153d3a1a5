"""Launch arguments: every parameter is one, no name means two things, wrong values are refused."""

from __future__ import annotations

import dataclasses
import runpy
from pathlib import Path

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("launch_ros", reason="launch is not installed here")

from launch import LaunchContext

from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.clip import sample_path, sample_video_path
from pstmo_core.streaming.config import StreamConfig
from pstmo_ros.launching import node_parameters
from pstmo_ros.launching.lifter_arguments import arguments
from pstmo_ros.launching.node_parameters import (
    CAMERA,
    CAMERA_NAMES,
    DETECTOR,
    LIFTER,
    PLAYER,
    PLAYER_NAMES,
    values,
)

ROOT = Path(__file__).parents[2]


def test_every_setting_of_the_stream_can_be_given_to_the_launch_file() -> None:
    names = set(node_parameters.descriptions())
    assert {f.name for f in dataclasses.fields(StreamConfig)} <= names
    assert {"model", "backend", "detector", "rectified", "frame_id", "clip_height"} <= names


def test_a_value_becomes_the_parameter_of_its_name_only() -> None:
    given = {"height": "1.8", "focal": "500", "rectified": "True", "look_ahead": "3", "model": ""}
    assert values(given, LIFTER) == {
        "height": 1.8, "focal": 500.0, "rectified": True, "look_ahead": 3,
    }  # fmt: skip
    assert values(given, PLAYER, PLAYER_NAMES) == {}
    assert values({"clip_height": "480"}, PLAYER, PLAYER_NAMES) == {"height": 480}


def test_names_that_tables_share_mean_the_same() -> None:
    """One argument sets them all, so types and ranges must agree."""
    seen: dict[str, tuple[type, object, object]] = {}
    tables = ((LIFTER, {}), (DETECTOR, {}), (CAMERA, CAMERA_NAMES), (PLAYER, PLAYER_NAMES))
    for groups, names in tables:
        for name, field in node_parameters.fields(*groups).items():
            rule = (type(field.default), field.metadata.get("low"), field.metadata.get("high"))
            assert seen.setdefault(names.get(name, name), rule) == rule, name


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("height", "abc", "height:=abc cannot be: it must be a number between 0.4 and 2.5"),
        ("height", "9", "between 0.4 and 2.5"),
        ("height", "nan", "a number"),
        ("look_ahead", "1.5", "a whole number"),
        ("rectified", "yes", "true or false"),
        ("backend", "cuda", "one of 'auto', 'tensorrt'"),
        ("clip_width", "-1", "clip_width:=-1"),
        ("camera_fps", "fast", "camera_fps:=fast"),
        ("people", "0", "people:=0"),
        ("log_level", "loud", "log_level:=loud must be one of debug"),
        ("camera", "absent.mp4", "there is no such video"),
        (
            "pose_model",
            "thundre",
            "check the path, or give auto, lightning, lightning-twice, thunder or thunder-twice",
        ),
        (
            "model",
            "stmo_81",
            "model:=stmo_81 names no file: check the path, or give stmo_27",
        ),
        ("calibration", "absent.yaml", "calibration:=absent.yaml names no file"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(
    name: str, value: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        node_parameters.check({name: value})


def test_networks_that_are_shipped_are_named() -> None:
    node_parameters.check({"model": "stmo_live", "pose_model": "thunder"})


def test_slips_of_the_pen_are_noticed_and_foreign_names_are_not() -> None:
    declared = node_parameters.descriptions()
    assert node_parameters.suggest(["heigth", "robot_model"], declared) == [
        "there is no argument heigth: did you mean height?"
    ]
    assert node_parameters.suggest(["fps"], declared) == [
        "fps is not used here: it is called camera_fps or clip_fps"
    ]
    files = {*declared, "camera", "player", "image", "camera_info"}
    for own, here in node_parameters._CALLED.items():
        assert own not in files and set(here) <= files


def test_what_no_started_node_takes_is_said() -> None:
    given = {"detector": "rtm", "image_width": "1280", "rate": "2.0", "height": "1.8", "loop": ""}
    found = node_parameters.without_effect
    assert found(given, []) == ["detector", "image_width", "rate"]
    assert found(given, ["camera", "detector"]) == ["rate"]
    assert found(given, ["virtual_camera", "detector"]) == ["rate"]
    assert found(given, ["player"]) == ["detector", "image_width"]


def test_the_virtual_camera_has_the_size_and_rate_that_are_given() -> None:
    given = {"image_width": "1280", "image_height": "720", "camera_fps": "15", "people": "1"}
    wanted = {"width": 1280, "height": 720, "fps": 15.0, "people": 1}
    assert node_parameters.virtual_camera_values(given) == wanted
    node_parameters.check({"camera_fps": "500.0"})  # a real one may be as fast
    with pytest.raises(ConfigError, match="between 0.1 and 240.0"):
        node_parameters.check({"camera_fps": "500.0", "virtual_camera": "true"})


def test_a_file_below_the_home_folder_is_found_by_the_nodes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell leaves ~ after := as it is; ROS would start the node with its defaults."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.yaml").write_text("/**: {ros__parameters: {height: 1.5}}")
    node_parameters.check_file("params_file", "~/own.yaml")
    context = LaunchContext()
    context.launch_configurations.update(params_file="~/own.yaml")
    for action in arguments():
        action.execute(context)
    launched = runpy.run_path(str(ROOT / "launch" / "lifter.launch.py"))
    assert launched["lifter_parameters"](context)[0] == str(tmp_path / "own.yaml")


def test_a_video_is_no_clip_of_keypoints_nor_the_other_way_round() -> None:
    video, clip = str(sample_video_path()), str(sample_path())
    node_parameters.check({"camera": video, "pose_model": "thunder"})
    node_parameters.check({"player": clip})
    with pytest.raises(ConfigError, match=r"is a video: give camera:=.*park\.mp4"):
        node_parameters.check({"player": video})
    with pytest.raises(ConfigError, match=r"is a file of keypoints: give player:=.*sample\.npz"):
        node_parameters.check({"camera": clip})


def test_keypoints_come_from_one_source(tmp_path: Path) -> None:
    node_parameters.check_sources(["camera"], "/cam/image_raw")
    with pytest.raises(ConfigError, match="camera and player"):
        node_parameters.check_sources(["camera", "player"], "")
    with pytest.raises(ConfigError, match="player and image"):
        node_parameters.check_sources(["player"], "/cam/image_raw")
    with pytest.raises(ConfigError, match="input:=yolo and image exclude one another"):
        node_parameters.check_sources([], "/cam/image_raw", "yolo")
    with pytest.raises(ConfigError, match="cameras:=left,right and player exclude one another"):
        node_parameters.check_sources(["player"], "", "people2d", "left,right")
    node_parameters.check_sources([], "", "hri")
