"""The commands of ROS 2 in the documents: what they start is ready, and options exist."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from documents import ROOT, Shown, documents, shown_commands
from launch_log import without_ignored_interrupts

from pstmo_ros.launching import node_parameters
from pstmo_ros.own_domain import OwnDomain
from pstmo_ros.torture.catalogue import ATTACKS, LONG

COMMANDS = [
    each for each in shown_commands()
    if each.words[0] == "ros2" and each.document != "CHANGELOG.md"
]  # fmt: skip
OURS = "ros2 launch pstmo_ros lifter.launch.py "
#: Messages that one has only with other packages.
FOREIGN = ("input:=yolo", "input:=zed")
LAUNCHES = [
    each for each in COMMANDS
    if each.text.startswith(OURS) and "--" not in each.text
    and not any(each.text.startswith(OURS + foreign) for foreign in FOREIGN)
]  # fmt: skip
#: What a node says when it is ready that is started by itself.
READY = {"detector_node": r"detector\]: active:", "people_merger": r"people_merger\]: merges"}
RUNS = [each for each in COMMANDS if each.words[1] == "run" and each.words[3] in READY]
STARTED = LAUNCHES + RUNS
#: What stands for a camera that is not here.
INSTEAD = {"camera:=0": "camera:=sample"}


def exists(path: str) -> Callable[[Shown], bool]:
    return lambda _: (ROOT / path).is_file()


def explains_its_options(shown: Shown) -> bool:
    """The program's help names the options, and its attacks and measurements exist."""
    program = shown.words[3]
    said = subprocess.run(
        ["ros2", "run", "pstmo_ros", program, "--help"],
        cwd="/", text=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    options = [word for word in shown.words if word.startswith("-")]
    only = shown.words[shown.words.index("--only") + 1] if "--only" in options else ""
    attacks = {attack.name for attack in (*ATTACKS, *LONG)}
    known = only in attacks if program == "torture" and only else only in said.stdout
    return known and all(option in said.stdout for option in options)


def needs_messages(shown: Shown) -> bool:
    """The messages are not among the wheels; test_inputs.py reads stand-ins of them."""
    package = next(word for word in shown.words if word.startswith("input:=")).split("=")[1]
    return importlib.util.find_spec(f"{package}_msgs") is None


def is_not_ours(shown: Shown) -> bool:
    return "pstmo_ros" not in shown.words


#: Why a command that begins like this is not run here, and what is checked of that.
NOT_RUN: tuple[tuple[str, str, Callable[[Shown], bool]], ...] = (
    ("ros2 launch pstmo_ros lifter.launch.py --show-args", "test_launch_lifter.py runs it",
     exists("test/ros/test_launch_lifter.py")),
    *((OURS + foreign, "it needs messages that are not here", needs_messages)
      for foreign in FOREIGN),
    ("ros2 launch pstmo_ros collision_monitor.launch.py", "lifter_consumers.py launches it",
     exists("test/ros/launch/lifter_consumers.py")),
    ("ros2 launch ", "it is another package's: a camera's driver", is_not_ours),
    ("ros2 run tf2_ros ", "it is another package's", is_not_ours),
    ("ros2 topic ", "it is ROS 2's own", is_not_ours),
    ("ros2 param ", "it is ROS 2's own; test_node_parameters.py describes parameters",
     exists("test/ros/test_node_parameters.py")),
    ("ros2 security ", "it needs DDS with security; test_security_policy.py checks the policy",
     exists("test/ros/test_security_policy.py")),
    ("ros2 run pstmo_ros lifter_node --ros-args --enclave", "it needs DDS with security",
     exists("config/security/policy.xml")),
    ("ros2 run pstmo_ros bench", "test_node_bench.py runs its measurements",
     explains_its_options),
    ("ros2 run pstmo_ros torture", "test_torture.py runs attacks", explains_its_options),
)  # fmt: skip


def reason(shown: Shown) -> tuple[str, Callable[[Shown], bool]] | None:
    for beginning, why, holds in NOT_RUN:
        if shown.text.startswith(beginning) and shown not in STARTED:
            return why, holds
    return None


def test_every_command_is_run_or_has_a_reason_that_holds(ros_domain: None) -> None:
    asked: dict[str, bool] = {}
    for shown in COMMANDS:
        if shown in STARTED:
            continue
        why = reason(shown)
        assert why is not None, f"name it in NOT_RUN: {shown.name}"
        text = re.sub(r"--(seconds|seed) \d+", r"--\1", shown.text)
        asked.setdefault(text, why[1](shown))
        assert asked[text], f"{shown.name} is not run because {why[0]}; that is not so"
        print(f"not run: {shown.name}: {why[0]}")
    assert len(LAUNCHES) >= 7 and len(RUNS) >= 3


@pytest.mark.parametrize(
    "part", [STARTED[index::3] for index in range(3)], ids=["first", "second", "third"]
)
def test_what_documents_start_becomes_active(
    part: Sequence[Shown], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each in a domain of its own, several at a time: most of the time is starting programs."""
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    logs: dict[Shown, str] = {}
    threads = [
        threading.Thread(target=lambda s=shown: logs.update({s: started(s)})) for shown in part
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for shown in part:
        assert re.search(ready(shown), logs[shown]), f"{shown.name}\n{logs[shown]}"
        assert "Traceback" not in logs[shown] and "[ERROR]" not in logs[shown], logs[shown]


def ready(shown: Shown) -> str:
    """Return the pattern of what is logged when everything that a command starts is ready."""
    return READY.get(shown.words[3], r"lifter\]: active:")


def started(shown: Shown) -> str:
    """Run a command in a domain of its own, until it is ready; return what was logged."""
    with OwnDomain() as domain:
        return started_in(domain.number, shown)


def started_in(domain: int, shown: Shown, seconds: float = 120.0) -> str:
    """Run a command until it is ready, or the time is over; return what was logged."""
    words = [INSTEAD.get(word, word) for word in shown.words]
    process = subprocess.Popen(
        words, cwd="/", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, env=os.environ | {
            "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOCALHOST_ONLY": "1", "PYTHONUNBUFFERED": "1",
        },
    )  # fmt: skip
    # launch passes a signal on; `ros2 run` leaves it to the terminal, which tells both.
    stop = os.killpg if shown in RUNS else os.kill
    late = threading.Timer(seconds, stop, [process.pid, signal.SIGINT])
    late.start()
    log = ""
    assert process.stdout is not None
    for line in process.stdout:
        log += line
        if re.search(ready(shown), line):
            stop(process.pid, signal.SIGINT)
            break
    late.cancel()
    try:
        rest, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        rest += "\nTraceback: it did not end"
    return without_ignored_interrupts(log + rest)


def test_launch_arguments_that_documents_name_exist() -> None:
    pytest.importorskip("launch_ros", reason="launch is not installed here")
    from pstmo_ros.launching.lifter_arguments import arguments

    declared = {action.name for action in arguments()}
    declared |= set(node_parameters.descriptions())
    monitor = (ROOT / "launch/collision_monitor.launch.py").read_text()
    declared |= set(re.findall(r'^ +"(\w+)",$', monitor, re.M))
    foreign = {"align_depth", "camera_model"}  # of cameras' drivers
    for path in documents():
        if path.name == "CHANGELOG.md":
            continue
        for text in re.findall(r"`([^`\n]*:=[^`\n]*)`", path.read_text()):
            if "--ros-args" in text:
                continue
            names = set(re.findall(r"([\w.]+):=", text))
            wrong = {name for name in names if name.split(".")[0] not in declared | foreign}
            assert not wrong, f"{Path(path).name}: {text}: no launch argument is {wrong}"
