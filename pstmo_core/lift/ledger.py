"""A small file beside the outputs of an input that records what they were made from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pstmo_core.atomic_files import OutputError, check_output, write_text
from pstmo_core.lift.input_kinds import without_password
from pstmo_core.lift.outputs import is_output
from pstmo_core.lift.plan import KEYPOINTS, LEDGER, OVERLAYS
from pstmo_core.lift.settings import BAGS, FORMATS, LiftSettings
from pstmo_core.lift.skeleton_bags import is_skeleton_bag

_ANOTHER = "name another output"
#: Bytes of a ledger that is read: the names of a hundred thousand outputs.
_MOST_BYTES = 1 << 24


@dataclass(frozen=True)
class Ledger:
    """The entries of one input; its file is `BASE.lift.json`.

    It is written last, so the files that it names are complete. Entries that do not fit are
    ignored.
    """

    base: Path
    """Path of the outputs, without suffix."""
    source: str
    """The input."""
    force: bool = False
    """Whether the user allows to replace what this program did not write."""

    def require_own(self, path: Path) -> None:
        """Check that an output is new, or was written by a call like this one.

        Raises:
            OutputError: if something else is there.
        """
        if not path.exists():
            return
        if path.is_dir():
            if not is_skeleton_bag(path):
                raise OutputError(f"{path}: exists and is not a bag of skeletons; {_ANOTHER}")
            return
        check_output(path)
        ours = self._is_ledger() if path == self._file() else is_output(path)
        if not (self.force or path.stat().st_size == 0 or path.name in self._made() or ours):
            raise OutputError(
                f"{path}: exists and was not written by `pstmo lift`; {_ANOTHER}, or replace it "
                "by --force"
            )

    @property
    def keypoints(self) -> Path:
        """The keypoints that were found in images, to be used again."""
        return self.base.with_name(self.base.name + KEYPOINTS)

    def outputs(self, settings: LiftSettings) -> list[Path] | None:
        """Return the outputs if they are done with these settings, else None."""
        entry = self._read()
        if entry.get("input") != self._state() or entry.get("settings") != settings.of_output():
            return None
        paths = [self.base.parent / name for name in entry.get("outputs", ["?"])]
        return paths if all(path.exists() for path in paths) else None

    def detected(self, settings: LiftSettings) -> tuple[str, ...] | None:
        """Return the notes of the detection if its keypoints are there, else None."""
        entry = self._read()
        if entry.get("input") != self._state() or entry.get("detection") != settings.of_detection():
            return None
        return tuple(entry.get("notes", ())) if self.keypoints.exists() else None

    def note_detection(
        self, settings: LiftSettings, notes: tuple[str, ...], live: bool = False
    ) -> None:
        """Write that keypoints were found; those of a live camera are not used again."""
        made = sorted({*self._made(), self.keypoints.name})
        entry = {"input": self._state(), "notes": notes, "made": made}
        self._write(entry if live else entry | {"detection": settings.of_detection()})

    def note_outputs(self, settings: LiftSettings, outputs: list[Path]) -> None:
        """Write that everything is done."""
        entry = {
            "input": self._state(),
            "settings": settings.of_output(),
            "outputs": [path.name for path in outputs],
            "made": sorted({*self._made(), *(path.name for path in outputs)}),
        }
        kept = self._read()
        if kept.get("input") == entry["input"]:
            entry = {name: kept[name] for name in ("detection", "notes") if name in kept} | entry
        self._write(entry)

    def _made(self) -> set[str]:
        """Return the names of all outputs that were ever written beside this ledger."""
        made = self._read().get("made", ())
        return {str(name) for name in made} | {self._file().name} if made else set()

    def _state(self) -> list[Any]:
        """Return what tells this input from a changed one: path, sizes and times of change."""
        path = Path(self.source)
        if not path.exists():
            return [without_password(self.source)]
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if not self._is_output(file))
        stats = [(file.name, *_size_and_time(file)) for file in files]
        return [str(path.resolve()), hashlib.sha256(repr(stats).encode()).hexdigest()]

    def _is_output(self, file: Path) -> bool:
        """Say whether a file in the input is an output of ours: it may be asked for there."""
        if file.parent.resolve() != self.base.parent.resolve():
            return False
        own = self.base.name
        ends = [suffix for suffix, name in FORMATS.items() if name not in BAGS]
        names = {own, *(own + end for end in (*ends, LEDGER, *OVERLAYS, KEYPOINTS))}
        return file.name in names or (file.name.startswith(f"{own}.") and file.suffix == ".bvh")

    def _is_ledger(self) -> bool:
        return isinstance(self._read().get("input"), list)

    def _file(self) -> Path:
        return self.base.with_name(self.base.name + LEDGER)

    def _read(self) -> dict[str, Any]:
        try:
            if self._file().stat().st_size > _MOST_BYTES:
                return {}
            entry = json.loads(self._file().read_text())
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(entry, dict):
            return {}
        lists = [entry.get(name, []) for name in ("outputs", "made", "notes")]
        right = all(isinstance(names, list) and set(map(type, names)) <= {str} for names in lists)
        return entry if right else {}

    def _write(self, entry: dict[str, Any]) -> None:
        write_text(self._file(), json.dumps(entry, indent=1) + "\n")


def _size_and_time(file: Path) -> tuple[int, int]:
    try:
        stat = file.stat()
    except OSError:  # a link that leads nowhere
        stat = file.lstat()
    return stat.st_size, stat.st_mtime_ns
