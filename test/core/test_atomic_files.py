"""Atomic writes: nothing of a user's is touched, and nothing is left behind."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pstmo_core import atomic_files
from pstmo_core.atomic_files import OutputError, atomic_file, atomic_folder, check_output

ROOT = Path(__file__).parents[2]
FILES = [
    *(path for name in ("pstmo_core", "pstmo_ros") for path in (ROOT / name).rglob("*.py")),
    *(ROOT / "scripts").glob("*.py"),
    *(ROOT / "scripts" / "convert_motion").glob("*.py"),
    *(ROOT / "scripts" / "sim_detector").glob("*.py"),
]
WRITERS = {
    "write_text", "write_bytes", "savez", "savez_compressed", "imwrite", "mimwrite", "get_writer",
    "save_file", "savefig", "torch.save", "onnx.save",
}  # fmt: skip
#: They are given a temporary path, or write into a temporary folder.
GIVEN = {
    "clip_video.py: imageio.get_writer", "clip_video.py: imageio.imwrite",
    "surroundings.py: model.write_bytes",
}  # fmt: skip


def writes(source: ast.AST) -> list[str]:
    """Return the calls that write a file other than an atomic one's `partial`, or `file` of it."""
    found = []
    for node in ast.walk(source):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        call = ast.unparse(node.func)
        if node.func.attr in WRITERS or call in WRITERS:
            used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            if not used & {"partial", "file", "stored"}:
                found.append(call)
    return found


def test_every_file_that_a_user_gets_is_written_atomically() -> None:
    assert writes(ast.parse("np.savez(path, a=1)")) == ["np.savez"]
    assert not writes(ast.parse("np.savez(file, a=1); partial.write_text(text)"))
    found = {
        f"{path.name}: {call}" for path in FILES for call in writes(ast.parse(path.read_text()))
    }
    assert found == GIVEN


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with atomic_file(path) as partial:
        partial.write_text("new")
        assert not path.exists() and partial.parent == tmp_path and partial.suffix == ".txt"
    assert path.read_text() == "new" and names(tmp_path) == {"out.txt"}
    with pytest.raises(ZeroDivisionError), atomic_file(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "new" and names(tmp_path) == {"out.txt"}


def test_neighbours_of_any_name_are_left_alone(tmp_path: Path) -> None:
    users = {"out.partial.txt", "out.txt.partial", "out.tmp", ".out.txt", ".pstmo-notes.tmp"}
    for name in users:
        (tmp_path / name).write_text("mine")
    with atomic_file(tmp_path / "out.txt") as partial:
        partial.write_text("new")
    assert names(tmp_path) == {"out.txt", *users}
    assert all((tmp_path / name).read_text() == "mine" for name in users)


def test_links_are_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("mine")
    link.symlink_to(target)
    with atomic_file(link) as partial:
        partial.write_text("new")
    assert target.read_text() == "mine" and link.read_text() == "new"


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "kept").write_text("mine")
    (tmp_path / "kept").chmod(0o444)
    for path, why in (
        (Path("/dev/null"), "is a device"),
        (tmp_path / "pipe", "is a device or a pipe"),
        (tmp_path, "is a folder"),
        (tmp_path / "kept", "is write-protected"),
    ):
        with pytest.raises(OutputError, match=why), atomic_file(path):
            pass
    assert names(tmp_path) == {"pipe", "kept"}


def test_a_file_is_no_folder_to_write_into(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file" / "out", tmp_path / "file" / "deep" / "out"):
        with pytest.raises(OutputError, match="is not a folder"), atomic_file(path):
            pass
    assert (tmp_path / "file").read_text() == "mine"


def test_an_output_that_is_an_input_by_any_path_is_refused(tmp_path: Path) -> None:
    read = tmp_path / "clip.npz"
    read.write_text("mine")
    (tmp_path / "soft").symlink_to(read)
    (tmp_path / "hard").hardlink_to(read)
    for output in ("clip.npz", "soft", "hard", "../" + tmp_path.name + "/clip.npz", ""):
        with pytest.raises(OutputError, match="would replace an input"):
            check_output(tmp_path / output, [read])
    check_output(tmp_path / "other", [read, tmp_path / "missing"])


def test_permissions_are_those_of_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o600)
    with atomic_file(path) as partial:
        partial.write_text("new")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_is_replaced_only_if_it_is_ours_and_comes_back_if_writing_fails(
    tmp_path: Path,
) -> None:
    for name in ("bag", "bag.old", "bag.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("old")
    foreign = atomic_folder(tmp_path / "bag", lambda path: False)
    with pytest.raises(OutputError, match="is not an output of this command"), foreign:
        pass
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "bag", lambda path: True):
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "bag", lambda path: True):
        pass  # the new folder was not made
    assert (tmp_path / "bag" / "file").read_text() == "old"
    with atomic_folder(tmp_path / "bag", lambda path: True) as partial:
        partial.mkdir()
        (partial / "file").write_text("new")
    assert (tmp_path / "bag" / "file").read_text() == "new"
    assert names(tmp_path) == {"bag", "bag.old", "bag.partial"}
    assert all((tmp_path / f"bag.{w}" / "file").read_text() == "old" for w in ("old", "partial"))


WRITER = """
import sys, time
from pathlib import Path
from pstmo_core.atomic_files import atomic_file, atomic_folder
with atomic_file(Path(sys.argv[1])), atomic_folder(Path(sys.argv[2]), lambda path: False) as folder:
    folder.mkdir()
    print("writing", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_run_left_goes_and_what_another_is_writing_stays(tmp_path: Path) -> None:
    def start() -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", WRITER, str(tmp_path / "a"), str(tmp_path / "b")]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        return process

    def write() -> None:
        atomic_files._tidied.clear()  # as in a new process
        with atomic_file(tmp_path / "out") as partial:
            partial.write_text("new")

    with start() as killed:
        killed.send_signal(signal.SIGKILL)
    assert len(names(tmp_path)) == 2
    with start() as living:
        try:
            write()
            assert len(names(tmp_path)) == 3, "the two of the living process, and the output"
        finally:
            living.send_signal(signal.SIGKILL)
    time.sleep(0.1)
    write()
    assert names(tmp_path) == {"out"}
