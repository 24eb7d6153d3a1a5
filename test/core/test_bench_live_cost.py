"""The benchmark of a streaming network: it measures both kinds and says what is wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch writes the network of this test")

from command import Command
from live_networks import write_live


def test_steps_clips_products_and_memory_are_measured_in_one_run(
    tmp_path: Path, pstmo: Command
) -> None:
    live = write_live(tmp_path)
    quick = ("--turns", 1, "--seconds", 0, "--people", "1,3", "--frames", 100)
    code, text, error = pstmo("bench", "live-cost", "--live", live, *quick, "-o", tmp_path)
    assert code == 0, error
    results = json.loads((tmp_path / "live_cost.json").read_text())
    steps = [(case["network"], case["people"]) for case in results["steps"]]
    assert steps == [("window", 1), ("live", 1), ("window", 3), ("live", 3)]
    assert all(case["calls"] >= 1 for case in results["steps"] + results["clips"])
    assert results["counts"]["authors_mmacs"] > 200 * results["counts"]["live_mmacs"]
    assert results["long"]["frames"] == 100
    assert results["reading"]["median_ms"] > 0
    assert "To read as much, and no more, takes" in text
    assert text.startswith("# What a streaming network costs")
    assert "pstmo bench live-cost --live live.onnx --frames 100" in text


def test_a_network_of_the_wrong_kind_is_named(tmp_path: Path, pstmo: Command) -> None:
    live = write_live(tmp_path)
    code, _, error = pstmo("bench", "live-cost", "--live", live, "--window", live)
    assert code == 2 and "live.onnx: holds a network that lifts streams" in error
