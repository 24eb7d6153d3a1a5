"""The parameter files and the reference say what the nodes declare."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

SCRIPT = Path(__file__).parents[2] / "scripts" / "write_parameters.py"
spec = importlib.util.spec_from_file_location("write_parameters", SCRIPT)
assert spec is not None and spec.loader is not None
writer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(writer)


@pytest.mark.parametrize("path", writer.texts(), ids=lambda path: path.name)
def test_a_file_is_what_the_declarations_say(path: Path) -> None:
    same = path.read_text() == writer.texts()[path]
    assert same, f"{path.name} is out of date: call python scripts/write_parameters.py"


def test_a_sentence_is_in_the_reference_and_a_range_with_its_unit() -> None:
    text = writer.reference()
    assert "| `expire` | `1.0` | Between 0.05 and 60.0 s | A person not seen" in text
    for node in writer.NODES:
        assert f"## {node}\n" in text
