"""Unpacks the parts of ROS 2 that have no wheel: fetch_sources.py LIST FOLDER.

LIST has a line for each repository: name, owner/name on GitHub, commit. NAME.tar.gz comes from the
folder that PSTMO_ROS2_SOURCES names, else from GitHub, and is unpacked to FOLDER/NAME. Exit status
3 says that an archive is in neither place.
"""

import io
import os
import sys
import tarfile
import urllib.request
from pathlib import Path, PurePosixPath

TIMEOUT = 15.0  # seconds without an answer
NOT_TO_BE_HAD = 3


def read_list(path: Path) -> list[tuple[str, str, str]]:
    """Name, repository and commit of each line that is not a comment."""
    lines = (line.split("#")[0].split() for line in path.read_text().splitlines())
    return [(name, repository, commit) for name, repository, commit in filter(None, lines)]


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


def unpack(archive: bytes, target: Path) -> None:
    """Unpacks folders and plain files to `target`, without the archive's top folder."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts[1:]
            content = tar.extractfile(member) if member.isfile() else None
            if content is None or ".." in parts:
                continue
            path = target.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())


def main() -> int:
    """Fetches all archives of the list."""
    listing, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for name, repository, commit in read_list(listing):
        try:
            archive = load_archive(name, repository, commit)
        except OSError as error:  # URLError and time-outs are OSErrors
            print(f"{name}: not available: {error}", flush=True)
            return NOT_TO_BE_HAD
        unpack(archive, folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
