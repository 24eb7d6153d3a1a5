"""The nodes stand what `ros2 run pstmo_ros torture` does to them; here a moment of each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from pathlib import Path

from pstmo_ros.torture.attacks.soak import judged
from pstmo_ros.torture.catalogue import ATTACKS
from pstmo_ros.torture.report import insert, table
from pstmo_ros.torture.samples import Sample, draw_samples, read_samples, write_samples
from pstmo_ros.torture.stand import Outcome, Stand

#: What takes seconds. Signals, kills and cycles take a minute: the program tries them all.
QUICK = ("keypoints", "images", "bag_loops", "end_of_stamps", "standing_stamps", "overload")
BY_NAME = {attack.name: attack for attack in ATTACKS}


@pytest.mark.parametrize("name", QUICK)
def test_the_nodes_stand_an_attack(ros: None, name: str) -> None:
    with Stand(seconds=4.0, seed=1) as stand:
        outcome = BY_NAME[name].run(stand)
    assert outcome.passed, outcome


def test_nothing_is_left_of_an_attack(ros: None) -> None:
    with Stand(seconds=1.0) as stand:
        process = stand.node(stand.namespace(), parameters={"autostart": "false"})
        assert process.is_alive
    assert process.status is not None
    assert not stand.folder.exists()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_program_ends_when_it_is_told_to_and_takes_its_nodes_along(
    ros_domain: None, tmp_path: Path, end: signal.Signals
) -> None:
    program = "import sys; from pstmo_ros.torture import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "--only", "keypoints", "--seconds", "60"],
        cwd="/", env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (nodes := [log for log in tmp_path.glob("*/*.log") if log.stat().st_size]):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(end)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in said, said
    assert not any(log.exists() for log in nodes), "its folders are gone"


def test_the_table_takes_its_place_in_a_document_and_leaves_the_rest() -> None:
    lines = table([(ATTACKS[0], Outcome("3 messages", "a | b\nc", False))], "Run today.")
    assert "| 3 messages | a / b c | **no** |" in lines
    first = insert("# Reliability\n", lines, "torture")
    assert insert(first, lines, "torture") == first
    other = insert(first + "after\n", "other", "torture")
    assert other.endswith("end -->\nafter\n")
    assert insert(other, "long", "soak").startswith(other)


def samples(growth: float = 0.0, handles: int = 20) -> list[Sample]:
    """A soak of ten minutes that grows by so many MB a minute, and has handles at the end."""
    return [
        Sample(60.0 * n, 200.0 + growth * n, 18, handles if n == 10 else 20, 5.0, 9.0, 600 * n, 600)
        for n in range(1, 11)
    ]


@pytest.mark.parametrize(
    ("seen", "taken", "lost", "answered", "passed"),
    [
        (samples(), 5900, 100, 5900, True),
        (samples(growth=0.5), 5900, 100, 5900, False),
        (samples(handles=21), 5900, 100, 5900, False),
        (samples(), 5000, 100, 5000, False),  # frames that nobody accounts for
        (samples(), 5900, 100, 4000, False),  # frames without an answer
    ],
)
def test_a_soak_fails_if_anything_grows_or_a_frame_is_not_accounted_for(
    seen: list[Sample], taken: int, lost: int, answered: int, passed: bool
) -> None:
    values = {"frames received": str(taken), "frames lost before the node": str(lost)}
    assert judged(values, seen, 6000, answered, "4 people at 10 Hz").passed is passed


def test_samples_of_a_soak_survive_their_file_and_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs Matplotlib")
    write_samples(tmp_path / "soak.csv", samples())
    assert read_samples(tmp_path / "soak.csv") == samples()
    draw_samples(samples(), "4 people", tmp_path / "soak.png")
    assert (tmp_path / "soak.png").stat().st_size > 1000
