"""`--help` teaches: examples that are true, and nothing cut off on a terminal of 80 columns."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from command import Command

from pstmo_core.cli.commands import app

#: Commands without arguments that matter.
PLAIN = {"engine list", "engine clear", "experiments list", "experiments complexity"}


def _commands(command: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if not command.hidden:
        yield " ".join(above), command
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*above, name))


COMMANDS = dict(_commands(typer.main.get_command(app)))
LEAVES = sorted(name for name, command in COMMANDS.items() if not hasattr(command, "commands"))


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_no_name_and_no_line_is_cut(name: str, pstmo: Command) -> None:
    text = pstmo(*name.split(), "--help")[1]
    for line in text.splitlines():
        shortened = re.search(r"…|[a-z]\.\.\.$", line)
        assert not shortened or "pstmo" in line or "Usage" in line, line
    for parameter in COMMANDS[name].params:
        for option in parameter.opts:
            assert option in text or not option.startswith("-")


@pytest.mark.parametrize("name", sorted(set(LEAVES) - PLAIN))
def test_the_help_of_a_command_has_examples_with_its_own_options(name: str, pstmo: Command) -> None:
    text = pstmo(*name.split(), "--help")[1].replace("\\\n", " ")
    examples = re.findall(r"^ *(pstmo .+)$", text, re.MULTILINE)
    assert any(example.startswith(f"pstmo {name} ") for example in examples)
    for example in examples:
        (called,) = [each for each in LEAVES if example.startswith(f"pstmo {each}")][-1:]
        known = {option for each in COMMANDS[called].params for option in each.opts}
        given = {word for word in shlex.split(example) if re.match(r"--?[a-z]", word)}
        assert given <= known, example


def test_the_help_of_a_script_is_its_first_lines() -> None:
    pytest.importorskip("cv2", reason="the script reads videos")
    script = Path(__file__).parents[2] / "scripts" / "measure_detectors.py"
    told = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "    python scripts/measure_detectors.py RECORDINGS VIDEOS [-o FOLDER]" in told
    assert "the PyPI package pose2sim" in " ".join(told.split())
