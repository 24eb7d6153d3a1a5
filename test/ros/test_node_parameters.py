"""Parameters: the file says what the node declares, and a wrong one is refused with a sentence."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from pstmo_core.errors import ConfigError
from pstmo_core.runtime import BackendUnavailable

if TYPE_CHECKING:
    from pstmo_ros.lifter_node import LifterNode

FILE = Path(__file__).parents[2] / "config" / "lifter.yaml"
OF_ROS = {"use_sim_time", "start_type_description_service"}


def lifter(**overrides: Any) -> LifterNode:
    from pstmo_ros.lifter_node import LifterNode

    return LifterNode(parameter_overrides=[Parameter(n, value=v) for n, v in overrides.items()])


@pytest.fixture
def node(ros: None) -> Iterator[LifterNode]:
    made = lifter()
    yield made
    made.destroy_node()


def declared(node: LifterNode) -> dict[str, Any]:
    """Return the node's parameters and their values."""
    found = node.get_parameters_by_prefix("")
    values = {n: p.value for n, p in found.items() if n not in OF_ROS and "qos_overr" not in n}
    return {n: v if isinstance(v, (str, bool, int, float)) else list(v) for n, v in values.items()}


def test_the_file_has_every_parameter_at_its_default(node: LifterNode) -> None:
    in_file = yaml.safe_load(FILE.read_text())["/**"]["ros__parameters"]
    assert in_file == declared(node)
    assert {n: type(v) for n, v in in_file.items()} == {
        n: type(v) for n, v in declared(node).items()
    }


def test_every_parameter_in_the_file_has_a_comment() -> None:
    lines = FILE.read_text().splitlines()
    settings = [at for at, line in enumerate(lines) if re.match(r"    \w+:", line)]
    assert len(settings) > 20
    assert all(lines[at - 1].startswith("    # ") for at in settings)


def test_every_parameter_is_described_with_its_range(node: LifterNode) -> None:
    for name in declared(node):
        descriptor = node.describe_parameter(name)
        assert len(descriptor.description) > 20, name
        assert descriptor.additional_constraints.startswith("must be"), name


WRONG = [
    ("expire", 1000.0, "between 0.05 and 60.0"),
    ("expire", 1, "decimal point"),
    ("threads", 0, "whole number between 1 and 64"),
    ("reset", 0.05, "must not be below reorder"),
    ("height", 0.1, "between 0.4 and 2.5 m, or 0.0"),
    ("layout", "coco", "coco17"),
    ("backend", "cuda", "'onnxruntime'"),
    ("precision", "int8", "'bf16'"),
    ("qos_reliability", "sometimes", "best_effort"),
    ("keypoints_topic", "my topic", "a topic's name"),
    ("keypoints_topic", "", "a topic's name"),
    ("marker_root", [1.0, 2.0], "three numbers in metres"),
    ("min_score", float("nan"), "between 0.0 and 1.0"),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_a_node_does_not_start_with_a_wrong_parameter(
    ros: None, name: str, value: Any, words: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as refused:
        lifter(**{name: value})
    assert name in str(refused.value)


def test_a_misspelt_name_is_said_and_one_of_the_detector_beside_it_is_not(
    ros: None, capfd: pytest.CaptureFixture[str]
) -> None:
    lifter(expier=2.0, image_topic="image_raw", use_sim_time=False, colour="red").destroy_node()
    said = capfd.readouterr().err
    assert "there is no parameter expier, and it is not used: did you mean expire?" in said
    assert said.count("there is no parameter") == 1


def test_the_process_ends_with_the_sentence_alone(ros_domain: None) -> None:
    command = [sys.executable, "-m", "pstmo_ros.lifter_node", "--ros-args", "-p", "expire:=1000.0"]
    ended = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "between 0.05 and 60.0" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_arguments_of_ros_that_are_wrong_end_it_in_a_sentence(ros_domain: None) -> None:
    command = [sys.executable, "-m", "pstmo_ros.lifter_node", "--ros-args", "-p", "focal=500"]
    ended = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    assert "'-p focal=500'" in ended.stderr and "-p NAME:=VALUE" in ended.stderr


#: A node's executable, whose user presses Ctrl-C while it imports what it needs.
INTERRUPTED = """
import os, signal, sys
class CtrlC:
    def find_spec(self, name, *_):
        if name == "pstmo_ros.lifter_node":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, CtrlC())
exec(open(sys.argv[1]).read())
"""


def test_ctrl_c_while_a_node_starts_is_no_failure(tmp_path: Path) -> None:
    template = Path(__file__).parents[2] / "scripts" / "executable.py.in"
    program = tmp_path / "lifter_node"
    program.write_text(template.read_text().replace("@node@", "lifter_node"))
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(program)], capture_output=True, text=True, cwd="/"
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("expire", 1000.0, "Max: 60.0"),
        ("reset", 0.05, "must not be below reorder"),
        ("layout", "coco", "coco17"),
        ("layout", "~nobody_here/own.yaml", "~nobody_here/own.yaml: cannot be read"),
        ("marker_root", [1.0, 2.0], "three numbers in metres"),
        ("look_ahead", 20, "at most 13"),
        ("model", "/other.onnx", "only while the node is unconfigured"),
        ("autostart", True, "read-only"),
    ],
)
def test_a_wrong_change_is_refused_and_leaves_the_value(
    node: LifterNode, name: str, value: Any, words: str
) -> None:
    node.trigger_configure()
    before = node.get_parameter(name).value
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful
    assert words in result.reason
    assert node.get_parameter(name).value == before


def test_a_fault_in_the_check_refuses_the_change_and_the_node_lives(
    node: LifterNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.trigger_configure()
    monkeypatch.setattr(node.parameters, "check", lambda *_, **__: 1 / 0)
    (result,) = node.set_parameters([Parameter("expire", value=2.0)])
    assert not result.successful and "division by zero" in result.reason
    assert node.drops.counts["internal"] == 1


def test_a_right_change_is_accepted(node: LifterNode) -> None:
    node.trigger_configure()
    changes = [Parameter("look_ahead", value=13), Parameter("layout", value="coco17")]
    assert all(result.successful for result in node.set_parameters(changes))


def test_a_file_of_all_values_can_be_loaded_into_a_running_node(node: LifterNode) -> None:
    """`ros2 param dump` and `ros2 param load`."""
    node.trigger_configure()
    dumped = node.get_parameters([name for name in declared(node) if name != "autostart"])
    assert all(result.successful for result in node.set_parameters(dumped))


def test_model_and_topics_can_be_changed_after_clean_up(node: LifterNode) -> None:
    node.trigger_configure()
    node.trigger_cleanup()
    changes = [Parameter("model", value="/a.onnx"), Parameter("keypoints_topic", value="other")]
    assert all(result.successful for result in node.set_parameters(changes))


def test_the_runtime_is_the_one_that_was_asked_for_or_its_absence_is_explained(
    ros: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from pstmo_ros import lifter_node

    asked: list[tuple[Any, ...]] = []

    def load(*arguments: Any) -> None:
        asked.append(arguments)
        raise BackendUnavailable("this machine has no such device")

    monkeypatch.setattr(lifter_node, "load_runtime", load)
    node = lifter(model="/a.onnx", threads=2, backend="tensorrt", precision="fp16")
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    node.destroy_node()
    assert asked == [("/a.onnx", 2, "tensorrt", "fp16")]
    assert "cannot configure: this machine has no such device" in capfd.readouterr().err


def test_what_the_library_logs_is_said_by_the_node(
    node: LifterNode, capfd: pytest.CaptureFixture[str]
) -> None:
    from pstmo_ros.run_node import library_logs

    log = logging.getLogger("pstmo_core.runtime.test")
    with library_logs(node):
        log.info("an engine is being built")
        log.warning("it was of another version")
    log.warning("nobody listens")
    said = capfd.readouterr().err
    assert "[INFO]" in said
    assert "[lifter]: an engine is being built" in said
    assert "[lifter]: it was of another version" in said
    assert "[lifter]: nobody listens" not in said


@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("lifter_node", "lifts 2D keypoints"),
        ("image_lifter", "Detector and lifter in one process"),
        ("people_merger", "merges the skeletons"),
    ],
)
def test_help_says_what_a_node_is_and_how_it_is_called_and_starts_nothing(
    module: str, what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = import_module(f"pstmo_ros.{module}").main
    monkeypatch.setattr("sys.argv", [f"/somewhere/{module}", "--help"])
    assert main() == 0
    said = capsys.readouterr()
    assert what in said.out and f"ros2 run pstmo_ros {module} --ros-args -p" in said.out
    assert "docs/parameters.md" in said.out and not said.err
