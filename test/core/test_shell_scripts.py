"""The scripts in `scripts/` that are called from a shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.mark.parametrize("name", ["demo", "test", "setup", "test_pythons", "test_as_user"])
def test_help_tells_how_a_script_is_called_and_sets_nothing_up(name: str, tmp_path: Path) -> None:
    copy = shutil.copytree(SCRIPTS, tmp_path / "scripts")
    script = copy / f"{name}.sh"
    ended = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=20)
    assert ended.returncode == 0 and not ended.stderr
    assert f"scripts/{name}.sh" in ended.stdout and "set -" not in ended.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["scripts"]
