"""The library's wheel, installed away from the repository, and its command `pstmo`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Runs series of commands, each series in a process of its own, of which torch is there already.
_SERIES = """
import contextlib, importlib.util, io, json, os, sys, traceback
from pstmo_core.cli import main

def run(commands):
    for arguments in commands:
        sys.argv, said, code = ["pstmo", *arguments], io.StringIO(), 0
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                main()
            except SystemExit as end:
                code = end.code or 0
            except BaseException:
                traceback.print_exc()
                code = 1
        print(json.dumps([code, said.getvalue()]), flush=True)

if importlib.util.find_spec("torch"):
    import torch
for folder, commands in json.load(sys.stdin):
    if not os.fork():
        os.chdir(folder)
        run(commands)
        os._exit(0)
    if status := os.wait()[1]:
        sys.exit(f"a series ended with {os.waitstatus_to_exitcode(status)}: {commands}")
"""


def build_wheel(folder: Path) -> Path:
    """Build the wheel from the repository's files into a folder."""
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "pstmo_core", source / "pstmo_core", ignore=ignored)
    build = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [sys.executable, *build, "-w", str(folder), str(source)], check=True, capture_output=True
    )
    (path,) = folder.glob("pstmo-*.whl")
    return path


@dataclass(frozen=True)
class Ending:
    """How a command ended: its exit code, and all that it printed."""

    code: int
    output: str


class InstalledWheel:
    """A virtual environment with the wheel, and with what it depends on from this environment.

    The package itself is not in reach in any other way.
    """

    def __init__(self, wheel: Path, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self._python = folder / "bin" / "python"
        where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
        site = Path(subprocess.check_output([self._python, "-c", where], text=True).strip())
        # Under a sourced ROS 2 some of them lie outside this environment's own folder.
        folders = [
            Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))
        ]
        reachable = [f"{entry}\n" for entry in folders if not (entry / "pstmo_core").exists()]
        (site / "dependencies.pth").write_text("".join(reachable))
        install = [sys.executable, "-m", "pip", "--python", str(self._python), "install"]
        subprocess.run(
            [*install, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True
        )
        kept = ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR")
        self._environment = {name: os.environ[name] for name in kept if name in os.environ}
        used = self.python("import pstmo_core; print(pstmo_core.__file__)", folder)
        assert Path(used.strip()).is_relative_to(folder)

    def python(self, program: str, folder: Path, given: str = "") -> str:
        """Run a program in a folder; return what it printed."""
        done = subprocess.run(
            [self._python, "-c", program],
            cwd=folder, env=self._environment, input=given, text=True, capture_output=True,
            timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, arguments: Sequence[str], folder: Path) -> Ending:
        """Run `pstmo` with these arguments in a folder."""
        done = subprocess.run(
            [self._python.parent / "pstmo", *arguments],
            cwd=folder, env=self._environment, text=True, capture_output=True, timeout=300,
        )  # fmt: skip
        return Ending(done.returncode, done.stdout + done.stderr)

    def run_all(self, series: Sequence[tuple[Path, Sequence[Sequence[str]]]]) -> list[list[Ending]]:
        """Run `pstmo` with lists of arguments, one after the other.

        Args:
            series: a folder, and the lists of arguments of the commands that are run in it, in one
                process.
        """
        # A path entry of "" would be the folder.
        program = f"import sys; sys.path = [p for p in sys.path if p]\n{_SERIES}"
        given = json.dumps([(str(folder), list(map(list, lists))) for folder, lists in series])
        ended = iter(self.python(program, series[0][0], given).splitlines())
        return [[Ending(*json.loads(next(ended))) for _ in lists] for _, lists in series]
