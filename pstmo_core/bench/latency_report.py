"""The measured latencies as tables."""

from __future__ import annotations

from typing import Any

from pstmo_core.bench.latency import AGAINST, STEP, WINDOW, Measured
from pstmo_core.bench.machine import describe_machine
from pstmo_core.bench.report import table

_TIMES = ("median_ms", "p95_ms", "p99_ms", "fastest_ms")
_KINDS = {STEP: "step", WINDOW: "whole window", AGAINST: "compared code"}


def markdown(measured: list[Measured], against: str) -> str:
    """Return the report; `against` names the compared code, or is empty."""
    text = f"""# Latency of one step

One new frame of every person: SEM on the new frames, TEM and MOFA on the windows, everything else
kept ("step"); for comparison one window with nothing kept ("whole window"). The networks named
`authors'` are their architecture with random weights, `shipped` is the one of this package.
Machine: {describe_machine()}. Share of peak: multiply-accumulates of the step over its fastest
time, against the fastest large matrix product of the same precision and number of threads in the
run. All cases of a network ran in turns in one process; memory is what the process grew by when
the runtime was loaded and had run for all numbers of people.
"""
    if against:
        text += f"\nCompared code: {against}, one window, batch 1.\n"
    for each in measured:
        text += f"\n## {each.network} ({each.frames} frames)\n\n{_cases(each)}\n\n{_extra(each)}\n"
        text += "".join(f"\nNot measured: {reason}.\n" for reason in each.left_out)
    return text + "\nMeasured by `pstmo bench latency`.\n"


def _cases(measured: Measured) -> str:
    """Return a line a case; where there is compared code, how many times faster each is."""
    base = {c["threads"]: c["median_ms"] for c in measured.cases if c["kind"] == AGAINST}
    header = ["what", "backend", "precision", "threads", "people", "median ms", "p95", "p99"]
    header += [
        "fastest",
        "MMAC",
        "share of peak",
        "memory MiB",
        *(["times faster"] if base else []),
    ]
    rows: list[list[object]] = []
    for case in measured.cases:
        columns = ("backend", "precision", "threads", "people", *_TIMES)
        row: list[object] = [_KINDS[case["kind"]], *(case[name] for name in columns)]
        row += [f"{case['mmacs']:.1f}", f"{case['share_of_peak']:.0%}"]
        row.append(f"{case['memory_mib']:.0f}")
        if base:
            row.append(f"{base[case['threads']] * case['people'] / case['median_ms']:.2f}")
        rows.append(row)
    return table(header, rows)


def _extra(measured: Measured) -> str:
    """Return what a further person costs in a batch beside what the first costs."""
    steps: dict[tuple[Any, ...], dict[int, float]] = {}
    for case in measured.cases:
        if case["kind"] == STEP:
            key = (case["backend"], case["precision"], case["threads"])
            steps.setdefault(key, {})[case["people"]] = case["median_ms"]
    rows: list[list[object]] = []
    for key, by_people in steps.items():
        few, many = min(by_people), max(by_people)
        if few < many:
            extra = (by_people[many] - by_people[few]) / (many - few)
            rows.append([*key, by_people[few] / few, extra])
    header = ["backend", "precision", "threads", "first person ms", "each further one ms"]
    return table(header, rows) if rows else ""
