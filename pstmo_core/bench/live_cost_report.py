"""The tables of `pstmo bench live-cost`."""

from __future__ import annotations

from typing import Any

from pstmo_core.bench.live_cost import LIVE, WINDOW
from pstmo_core.bench.report import table

#: What was asked of the ratios: a step of one person, of more, and the lift of a clip.
GOALS = "0.4 for one person, 0.3 for 16"
_STEP_HEADER = ("people", "window", "live", "ratio", "window, fastest", "live, fastest")


def markdown(results: dict[str, Any], machine: str, command: str) -> str:
    """Return the report."""
    counts = results["counts"]
    clip, frames = {case["network"]: case for case in results["clips"]}, results["clip_frames"]
    rates = {name: frames / case["median_ms"] * 1e3 for name, case in clip.items()}
    parts = [
        "# What a streaming network costs",
        f"`{results['live']}` (STMO-Live) against `{results['window']}` (windows), in turns in one "
        f"run, {results['threads']} thread(s), {results['backend']}. {machine}. Poses of live "
        "networks: [live.md](live.md).",
        f"Measured by:\n\n    {command}",
        "## A step",
        "Milliseconds from the encoded keypoints of a new frame to everybody's newest poses, "
        "including what is kept of people. Each person is lifted once; with flip averaging, the "
        "default, each is lifted twice, as if there were twice as many: the row of 2 is one person "
        f"with default settings. Wanted was a ratio of at most {GOALS}.",
        table(_STEP_HEADER, _steps(results)),
        _least(results),
        "## A clip",
        f"`pstmo lift` of keypoints: the shipped clip of {frames} frames, {clip[LIVE]['people']} "
        "people, default settings, without writing the file. "
        "Wanted were 3 times as many frames per second.",
        table(
            ("network", "frames/s"), [[name, f"{rates[name]:.0f}"] for name in (WINDOW, LIVE)]
        )
        + f"\n\n{rates[LIVE] / rates[WINDOW]:.1f} times as many.",
        "## What is computed and kept",
        table(
            ("network", "parameters, millions", "MMAC for a new frame", "kept of a person, kB"),
            [
                [name, *(f"{counts[f'{name}_{what}']:.2f}" for what in ("parameters", "mmacs")),
                 f"{counts[f'{name}_kb']:.0f}"]
                for name in (WINDOW, LIVE)
            ],
        ),
        f"The authors' network of 243 frames (P-STMO-S) computes {counts['authors_mmacs']:.0f} "
        f"MMAC for each pose, {counts['authors_mmacs'] / counts['live_mmacs']:.0f} times as many "
        "as a step of the streaming network (wanted: 200).",
    ]  # fmt: skip
    if long := results.get("long"):
        parts += [
            "## A long stream",
            f"{long['frames']:.0f} frames, with new people every {frames}: the process had "
            f"{long['early_mib']:.1f} MiB after a tenth of them and {long['end_mib']:.1f} MiB at "
            "the end.",
        ]
    return "\n\n".join(parts) + "\n"


def _least(results: dict[str, Any]) -> str:
    """Say how much of a step is the reading of the weights."""
    megabytes, reading = results["counts"]["live_parameters"] * 4, results["reading"]
    text = (
        f"Each step reads all weights, {megabytes:.1f} MB in float32, whatever it does with them. "
        f"To read as much, and no more, takes {reading['median_ms']:.2f} ms here "
        f"({reading['fastest_ms']:.2f} at the fastest)"
    )
    alone = {c["network"]: c for c in results["steps"] if c["people"] == 1}
    if not alone:
        return text + "."
    share = reading["median_ms"] / alone[WINDOW]["median_ms"]
    return text + f", {share:.2f} of the window network's step for one person."


def _steps(results: dict[str, Any]) -> list[list[object]]:
    rows: list[list[object]] = []
    for people in dict.fromkeys(case["people"] for case in results["steps"]):
        own = {c["network"]: c for c in results["steps"] if c["people"] == people}
        medians, fastest = (
            [own[name][what] for name in (WINDOW, LIVE)] for what in ("median_ms", "fastest_ms")
        )
        ratio = f"{medians[1] / medians[0]:.2f}"
        rows.append([people, *medians, ratio, *fastest])
    return rows
