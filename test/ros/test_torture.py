"""The nodes stand what `ros2 run pstmo_ros torture` does to them; here a moment of each."""

from __future__ import annotations

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from pstmo_ros.torture.catalogue import ATTACKS
from pstmo_ros.torture.report import insert, table
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


def test_the_table_takes_its_place_in_a_document_and_leaves_the_rest() -> None:
    lines = table([(ATTACKS[0], Outcome("3 messages", "a | b\nc", False))], "Run today.")
    assert "| 3 messages | a / b c | **no** |" in lines
    first = insert("# Reliability\n", lines, "torture")
    assert insert(first, lines, "torture") == first
    other = insert(first + "after\n", "other", "torture")
    assert other.endswith("end -->\nafter\n")
    assert insert(other, "long", "soak").startswith(other)
