"""Tables of keypoints: CSV of spreadsheets, scripts, DeepLabCut and SLEAP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detector_files import (
    FRAMES,
    NAMES,
    SIZE,
    coco_clip,
    deeplabcut_rows,
    people,
    same_people,
    table_rows,
    triplets,
    write_rows,
)

from pstmo_core.keypoints.clip import Clip, ClipError, load_clip


@pytest.fixture(scope="module")
def truth() -> Clip:
    return coco_clip(FRAMES)


HEADERS: dict[str, Callable[[str, str], str]] = {
    "name_axis": lambda name, axis: f"{name}_{axis}",
    "axis_name": lambda name, axis: f"{axis}_{name}",
    "dotted": lambda name, axis: f"{name}.{'score' if axis == 's' else axis}",
    "number": lambda name, axis: f"{axis}{NAMES.index(name)}",
    "kp": lambda name, axis: f"kp{NAMES.index(name)}_{'conf' if axis == 's' else axis}",
}


@pytest.mark.parametrize("header", HEADERS)
def test_tables_name_their_columns(header: str, truth: Clip, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    write_rows(path, table_rows(truth, HEADERS[header]), ";" if header == "dotted" else ",")
    clip = load_clip(path, size=SIZE)
    same_people(clip, truth)
    assert clip.ids == ("id0", "id1")
    assert clip.stamps.tolist() == [frame * 40_000_000 for frame in range(FRAMES)]


def test_tables_of_spreadsheets_and_scripts_hold_the_same_people(
    truth: Clip, tmp_path: Path
) -> None:
    def text(rows: list[list[Any]], separator: str = ",", decimal: str = ".") -> str:
        return "\n".join(
            separator.join(str(v).replace(".", decimal) if isinstance(v, float) else str(v)
                           for v in row) for row in rows)  # fmt: skip

    rows = table_rows(truth, HEADERS["name_axis"])
    timed = [[*row[:1], *row[2:]] for row in rows]
    for row, new in zip(rows, timed, strict=True):
        new[0] = row[1] if row is rows[0] else f"2024-05-01T10:00:00.{row[1]:03}"
    timed[0][0] = "timestamp"
    long = [["frame", "timestamp_us", "person_id", "joint", "x", "y", "score"]] + [
        [f, f * 40_000, f"id{i}", n, *at, v]
        for f in range(FRAMES) for i, p, s in people(truth, f)
        for n, at, v in zip(NAMES, p, s, strict=True)
    ]  # fmt: skip
    for name, data in {
        "decimal commas": b"\xef\xbb\xbf" + text(rows, ";", ",").replace("\n", "\r\n").encode(),
        "utf-16": text(rows, "\t").encode("utf-16"),
        "bars, a comment, empty lines": ("# by hand\n\n" + text(rows, "|")).encode(),
        "time of day alone": text(timed).encode(),
        "a row for each point": text(long).encode(),
    }.items():
        path = tmp_path / "points.txt"
        path.write_bytes(data)
        clip = load_clip(path, size=SIZE)
        same_people(clip, truth)
        assert clip.ids == ("id0", "id1"), name
        assert np.diff(clip.stamps).tolist() == [40_000_000] * (FRAMES - 1), name
    path.write_text(text(rows[1:]))
    with pytest.raises(ClipError, match="row 2|has no columns|has no header"):
        load_clip(path, size=SIZE)
    path.write_text("1.5,2,3\n2,3,4\n")
    with pytest.raises(ClipError, match="has no header: write the columns' names"):
        load_clip(path, size=SIZE)


def test_deeplabcuts_and_sleaps_tables_are_read(truth: Clip, tmp_path: Path) -> None:
    both = [
        [value for _, p, s in people(truth, f) for value in triplets(p, s)] for f in range(FRAMES)
    ]
    path = tmp_path / "dlc.csv"
    one = deeplabcut_rows(truth)
    heads = one[:3]
    write_rows(path, one)
    clip = load_clip(path, fps=30, size=SIZE)
    np.testing.assert_allclose(clip.keypoints[:, 0], truth.keypoints[:, 0], atol=0.01)
    several = [[row[0], *row[1:], *row[1:]] for row in heads]
    several.insert(1, ["individuals", *["ann"] * 51, *["bob"] * 51])
    rows = [[f, *row, *[""] * (102 - len(row))] for f, row in enumerate(both)]
    write_rows(path, [*several, *rows])
    clip = load_clip(path, fps=30, size=SIZE)
    assert clip.ids == ("ann", "bob")
    same_people(clip, truth)
    sleap = [["track", "frame_idx", "instance.score",
              *(f"{n}.{a}" for n in NAMES for a in ("x", "y", "score"))]]  # fmt: skip
    sleap += [[f"track_{i}", f, 0.9, *triplets(p, s)]
              for f in range(FRAMES) for i, p, s in people(truth, f)]  # fmt: skip
    write_rows(path, sleap)
    same_people(load_clip(path, fps=30, size=SIZE), truth)
