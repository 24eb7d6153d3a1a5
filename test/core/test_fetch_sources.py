"""Archives that the set-up fetches are unpacked only if they hold what was pinned."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "lib" / "fetch_sources.py"
FILES = {"used/a.py": b"a = 1\n", "used/deep/b.py": b"b = 2\n", "unused/c.py": b"c = 3\n"}


def archive(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"top/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def checksum(files: dict[str, bytes]) -> str:
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fetch(
    folder: Path, files: dict[str, bytes], expected: str
) -> tuple[int, str, dict[str, bytes]]:
    """Run the script on a local archive; return status, what it says, and what it has unpacked."""
    (folder / "tool.tar.gz").write_bytes(archive(files))
    (folder / "list.txt").write_text(f"# a comment\ntool owner/tool 0123abc {expected} used\n")
    command = [sys.executable, SCRIPT, folder / "list.txt", folder / "out"]
    environment = os.environ | {"PSTMO_ROS2_SOURCES": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    out = folder / "out" / "tool"
    unpacked = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    return done.returncode, done.stdout, unpacked


USED = {name: content for name, content in FILES.items() if name.startswith("used/")}


def test_the_folders_that_are_used_are_unpacked_if_their_checksum_is_right(tmp_path: Path) -> None:
    status, _, unpacked = fetch(tmp_path, FILES, checksum(USED))
    assert (status, unpacked) == (0, USED)


@pytest.mark.parametrize(
    "change", [{"used/a.py": b"import os  # and worse\n"}, {"used/more.py": b""}]
)
def test_other_contents_are_refused_and_nothing_is_written(
    tmp_path: Path, change: dict[str, bytes]
) -> None:
    right = checksum(USED)
    status, said, unpacked = fetch(tmp_path, FILES | change, right)
    assert (status, unpacked) == (1, {})
    assert f"list.txt says {right}" in said


def test_a_file_outside_the_folder_is_left_out(tmp_path: Path) -> None:
    outside = {"used/../../../outside.py": b"x"}
    status, _, unpacked = fetch(tmp_path, FILES | outside, checksum(USED))
    assert (status, unpacked) == (0, USED)
    assert not list(tmp_path.rglob("outside.py"))
