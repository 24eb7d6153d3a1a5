"""What is done: a small file beside an input's outputs that says what they were made of."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pstmo_core.atomic_files import whole_file
from pstmo_core.lift.settings import LiftSettings


@dataclass(frozen=True)
class Ledger:
    """The entries of one input; its file is `BASE.lift.json`.

    It is written last, so what it names is whole. Entries that do not fit count as not there.
    """

    base: Path
    """Path of the outputs, without suffix."""
    source: str
    """The input."""

    @property
    def keypoints(self) -> Path:
        """The keypoints that were found in images, to be used again."""
        return self.base.with_name(f"{self.base.name}.keypoints.npz")

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

    def note_detection(self, settings: LiftSettings, notes: tuple[str, ...]) -> None:
        """Write that keypoints were found."""
        entry = {"input": self._state(), "detection": settings.of_detection(), "notes": notes}
        self._write(entry)

    def note_outputs(self, settings: LiftSettings, outputs: list[Path]) -> None:
        """Write that everything is done."""
        entry = {
            "input": self._state(),
            "settings": settings.of_output(),
            "outputs": [str(path.relative_to(self.base.parent)) for path in outputs],
        }
        kept = self._read()
        if kept.get("input") == entry["input"]:
            entry = {name: kept[name] for name in ("detection", "notes") if name in kept} | entry
        self._write(entry)

    def _state(self) -> list[Any]:
        """Return what tells this input from a changed one: path, sizes and times of change."""
        path = Path(self.source)
        if not path.exists():
            return [self.source]
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return [str(path.resolve()), hashlib.sha256(repr(stats).encode()).hexdigest()]

    def _file(self) -> Path:
        return self.base.with_name(f"{self.base.name}.lift.json")

    def _read(self) -> dict[str, Any]:
        try:
            entry = json.loads(self._file().read_text())
        except (OSError, ValueError):
            return {}
        return entry if isinstance(entry, dict) else {}

    def _write(self, entry: dict[str, Any]) -> None:
        with whole_file(self._file()) as partial:
            partial.write_text(json.dumps(entry, indent=1) + "\n")
