"""Labels of clips: who moves, what they do, which split they belong to."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bones import MotionError, read_text
from clips import Clip

from pstmo_core.data.motion.mocap import SPLITS
from pstmo_core.errors import names_known, quoted

LABELS = ("clip_id", "subject", "actor", "action", "description", "split", "skeleton", "licence",
          "source_repo", "source_path", "source_commit")  # fmt: skip
_MOST_BYTES = 1 << 24  # of an index: 100,000 files
_LONGEST = 1000  # characters: every clip takes as much memory as the longest label


def read_index(path: Path) -> dict[str, dict[str, str]]:
    """Read labels: name of a file -> its row, without empty cells.

    Raises:
        MotionError: if it is not such a table.
    """
    table = csv.DictReader(read_text(path, _MOST_BYTES).splitlines())
    try:
        if "file" not in (table.fieldnames or ()):
            raise MotionError(f"{path}: its first line has no column `file`")
        rows = list(table)
    except csv.Error as error:
        raise MotionError(f"{path}: is not a CSV file ({error})") from error
    for number, row in enumerate(rows, 2):
        _check_row(row, f"{path}: line {number}")
    return {row["file"]: {k: v for k, v in row.items() if v and k != "file"} for row in rows}


def _check_row(row: Mapping[str, str], where: str) -> None:
    if not row.get("file"):
        raise MotionError(f"{where} has nothing in the column `file`")
    for column, value in row.items():
        if column is None:
            raise MotionError(f"{where} has more cells than the first line")
        if column not in (*LABELS, "file"):
            raise MotionError(f"{where}: column {quoted(column)}: {names_known(column, LABELS)}")
        if len(value or "") > _LONGEST:
            raise MotionError(f"{where}: {column} has more than {_LONGEST} characters")


def label(clips: Sequence[Clip], labels: Mapping[str, str]) -> None:
    """Name the clips of one recording: pieces of it get +a, +b and so on behind the name.

    Raises:
        MotionError: if the split is none that training knows.
    """
    if labels["split"] not in SPLITS:
        raise MotionError(
            f"split {quoted(labels['split'])}: {names_known(labels['split'], SPLITS)}"
        )
    for number, clip in enumerate(clips):
        clip.labels = dict(labels)
        if len(clips) > 1:
            clip.labels["clip_id"] += "+" + _letters(number)


def _letters(number: int) -> str:
    return chr(97 + number) if number < 26 else _letters(number // 26 - 1) + chr(97 + number % 26)


def doubts(clips: Sequence[Clip]) -> list[str]:
    """Say what makes figures worthless: people of several splits, clips that share a name."""
    splits: dict[str, set[str]] = {}
    for clip in clips:
        splits.setdefault(clip.labels["actor"], set()).add(clip.labels["split"])
    found = [
        f"actor {quoted(actor)} is in {' and '.join(sorted(of))}: figures measured on a person who "
        "was trained on are too good; give each person one split"
        for actor, of in sorted(splits.items())
        if len(of) > 1
    ]
    times = Counter(clip.labels["clip_id"] for clip in clips)
    if shared := [name for name, count in times.items() if count > 1]:
        found.append(
            f"{len(shared)} names of clips occur twice, such as {quoted(shared[0])}: give clips a "
            "clip_id with --index, or files other names"
        )
    return found
