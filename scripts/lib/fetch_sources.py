"""Unpacks the parts of ROS 2 that have no wheel: fetch_sources.py LIST FOLDER.

LIST has a line for each repository: name, owner/name on GitHub, commit, checksum, and the folders
that are used (. for all). NAME.tar.gz comes from the folder that PSTMO_ROS2_SOURCES names, else
from GitHub; if the files in these folders have the checksum they are written to FOLDER/NAME. Exit
status 3 says that an archive is in neither place, 1 that a checksum is wrong.
"""

import hashlib
import io
import os
import sys
import tarfile
import urllib.request
from pathlib import Path, PurePosixPath
from typing import NamedTuple

TIMEOUT = 15.0  # seconds without an answer
NOT_AVAILABLE = 3


class Source(NamedTuple):
    """A line of the list."""

    name: str
    repository: str
    commit: str
    checksum: str
    folders: tuple[str, ...]


def read_list(path: Path) -> list[Source]:
    """Each line that is not a comment."""
    lines = (line.split("#")[0].split() for line in path.read_text().splitlines())
    return [Source(*words[:4], tuple(words[4:])) for words in lines if words]


def load_archive(name: str, repository: str, commit: str) -> bytes:
    """The gzipped tar archive of one repository; raises OSError where it is not available."""
    folder = os.environ.get("PSTMO_ROS2_SOURCES")
    local = Path(folder, f"{name}.tar.gz") if folder else None
    if local is not None and local.is_file():
        print(f"{name}: {local}", flush=True)
        return local.read_bytes()
    url = f"https://github.com/{repository}/archive/{commit}.tar.gz"
    print(f"{name}: {url}", flush=True)
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        return bytes(answer.read())


def read_files(archive: bytes, folders: tuple[str, ...]) -> dict[str, bytes]:
    """Contents of the plain files in some folders by path, without the archive's top folder."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts[1:]
            content = tar.extractfile(member) if member.isfile() else None
            wanted = bool(parts) and ("." in folders or parts[0] in folders)
            if content is not None and wanted and ".." not in parts:
                files["/".join(parts)] = content.read()
    return files


def digest(files: dict[str, bytes]) -> str:
    """SHA-256 over all paths and contents: the same however they were packed and compressed."""
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n".encode())
    return total.hexdigest()


def write_files(files: dict[str, bytes], target: Path) -> None:
    """Writes files to a folder."""
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def main() -> int:
    """Fetches all archives of the list."""
    listing, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for name, repository, commit, expected, folders in read_list(listing):
        try:
            archive = load_archive(name, repository, commit)
        except OSError as error:  # URLError and time-outs are OSErrors
            print(f"{name}: not available: {error}", flush=True)
            return NOT_AVAILABLE
        files = read_files(archive, folders)
        if (found := digest(files)) != expected:
            print(
                f"{name}: refused: its contents have the checksum {found}, but {listing.name} says "
                f"{expected}. Get the archive of {repository} at {commit} again.",
                flush=True,
            )
            return 1
        write_files(files, folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
