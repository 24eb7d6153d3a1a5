"""README's figures are those of the tables that it names: who measures again changes both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BENCHMARKS = ROOT / "docs/benchmarks"


def _section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def _rows(text: str) -> list[list[str]]:
    """The cells of a table's rows; an empty first cell is that of the row above it."""
    lines = [line for line in text.splitlines() if re.match(r"\|.*\|$", line)]
    rows: list[list[str]] = []
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows.append([cells[0] or rows[-1][0], *cells[1:]])
    return rows


def _measured(name: str) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = json.loads((BENCHMARKS / f"{name}.json").read_text())["results"]
    return results


def _numbers(cells: list[str]) -> list[float]:
    return [float(re.findall(r"[\d.]+", cell)[0]) for cell in cells]


SPEED = _rows(_section("Speed"))


@pytest.mark.parametrize("row", [row for row in SPEED if row[0].startswith("keypoints")], ids=str)
def test_latencies_of_keypoints_are_those_of_the_table(row: list[str]) -> None:
    people, rate, median, p99 = _numbers(row[1:5])
    (found,) = [
        each
        for each in _measured("latency_node")
        if (each["people"], each["fps"]) == (people, rate)
    ]
    assert [median, p99] == pytest.approx([found["median_ms"], found["p99_ms"]], rel=6e-3)


@pytest.mark.parametrize("row", [row for row in SPEED if row[0].startswith("images")], ids=str)
def test_latencies_of_images_are_those_of_the_table(row: list[str]) -> None:
    people, lifted, median, p99 = _numbers(row[1:5])
    threads = 2 if "two detector threads" in row[0] else 1
    wanted = (people, threads, 30)
    (found,) = [
        each
        for each in _measured("latency_images")
        if (each["people"], each["detector_threads"], each["fps"]) == wanted
    ]
    measured = [found["rate"], found["median_ms"], found["p99_ms"]]
    assert [lifted, median, p99] == pytest.approx(measured, abs=0.51)


def test_errors_with_each_detector_are_those_of_the_table() -> None:
    table = {row[0]: row for row in _rows((BENCHMARKS / "detectors.md").read_text())}
    rows = [row for row in _rows(_section("Accuracy")) if row[1].startswith("`movenet`")]
    assert len(rows) == 4
    for row in rows:
        kind = row[1].split("with ")[1].split(",")[0]
        (found,) = [
            each for name, each in table.items() if name.split(" (")[0] == f"movenet, {kind}"
        ]
        assert _numbers(row[2:5]) == pytest.approx(_numbers(found[5:8]), abs=0.51), kind


def test_errors_on_motion_capture_are_those_of_the_model_card() -> None:
    card = (ROOT / "docs/model_card.md").read_text().split("**Accuracy**")[1]
    rows = _rows(card.split("N-MPJPE is the error")[0])
    table = {row[0]: _numbers([cell for cell in row[1:] if cell]) for row in rows}
    clean, faults = table["clean"], table["detector faults"]
    expected = [
        clean[:3:2],
        table["clean, streamed"][:3:2],
        table["clean, gravity known"][:3:2],
        clean[5:],
        faults[:3:2],
        table["detector faults, streamed"][:3:2],
        faults[5:],
    ]
    rows = [row for row in _rows(_section("Accuracy")) if row[0].startswith("motion capture")]
    assert [_numbers(row[2:4]) for row in rows] == expected


#: What robots.md and robots_reference.md call the sources of root positions, and floor.md.
SOURCES = {
    "nothing: an average adult's size": "assumed",
    "an average adult's size": "assumed",
    "the true height (`height:=1.8`)": "stated height",
    "the floor": "floor",
    "the floor, tilt known within 0.5 degrees": "floor, tilt known within 0.5 degrees",
    "the floor, tilt wrong by 0.5 degrees": "floor, tilt off by 0.5 degrees",
    "the floor, tilt wrong by 1 degree": "floor, tilt off by 1 degree",
    "a height learned from the floor, legs hidden now": "learned, legs hidden after 4 s",
    "a depth image": "depth image",
    "floor and depth image": "floor and depth image",
}


@pytest.mark.parametrize(("page", "rows"), [("robots", 4), ("robots_reference", 9)])
def test_errors_of_root_positions_are_those_of_the_table(page: str, rows: int) -> None:
    measured: dict[str, list[str]] = {}
    for row in _rows((BENCHMARKS / "floor.md").read_text()):
        measured.setdefault(row[1], []).append(row[3].replace("%", " %"))
    text = (ROOT / f"docs/{page}.md").read_text()
    shown = [row for row in _rows(text) if row[0] in SOURCES and row[1].endswith(" %")]
    assert len(shown) == rows
    assert [row[1:] for row in shown] == [measured[SOURCES[row[0]]] for row in shown]


def test_the_times_of_the_network_in_the_questions_are_those_of_the_table() -> None:
    text = " ".join((ROOT / "docs/faq.md").read_text().split())
    said = re.findall(r"takes ([\d.]+) ms per frame for one person and ([\d.]+) ms for 16", text)
    overhead = (BENCHMARKS / "node_overhead.md").read_text()
    (row,) = [row for row in _rows(overhead) if row[0] == "for comparison: the network"]
    assert _numbers(list(said[0])) == pytest.approx([float(row[1]), float(row[3])], rel=0.06)


#: What README calls keypoints of the real video, and the table of the benchmark.
KEYPOINTS = {
    "without error: the projected reference": "reference, projected",
    "MoveNet multipose alone, 160 x 256": "`coco17_multipose256`",
    "BlazePose full, which swaps left and right": "`blazepose33_full`",
    "BlazePose heavy": "`blazepose33_heavy`",
    "BlazePose full, its own 3D": "`blazepose33_full`",
    "BlazePose heavy, its own 3D": "`blazepose33_heavy`",
}


def test_errors_on_the_real_video_are_those_of_the_table() -> None:
    text = (BENCHMARKS / "real.md").read_text().split("\nNothing made steady")[0]
    measured = {(row[0], row[1]): row for row in _rows(text)}
    rows = [row for row in _rows(_section("Accuracy")) if row[1] in KEYPOINTS]
    assert len(rows) == len(KEYPOINTS)
    for row in rows:
        answer = "its own 3D" if row[1].endswith("its own 3D") else "ours, look-ahead 0"
        found = measured[KEYPOINTS[row[1]], answer]
        expected = [float(found[2]), float(found[4]), float(found[5])]
        assert _numbers(row[2:5]) == pytest.approx(expected, abs=0.51), row[1]
