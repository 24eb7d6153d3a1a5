"""The measured latencies as tables."""

from __future__ import annotations

import math
from typing import Any

from pstmo_core.bench.latency import Measured
from pstmo_core.bench.latency_calls import CENTRE, CLIP_CENTRE, CLIP_NEWEST, KINDS, NEWEST, PLAIN
from pstmo_core.bench.machine import describe_machine
from pstmo_core.bench.precision import PrecisionCost
from pstmo_core.bench.report import table

_TIMES = ("median_ms", "p95_ms", "p99_ms", "fastest_ms")
_SETTING = ("backend", "precision", "threads")


def markdown(measured: list[Measured], costs: list[PrecisionCost], baseline: str) -> str:
    """Return the report; `baseline` names the compared code, or is empty."""
    text = f"""# Latency of one step

The time of a step after one new frame of every person, with everything else cached. A step gives
the pose of the window's centre frame by MOFA ("step, centre frame", what the paper evaluates), or
that of the newest frame by the all-frames head, without MOFA ("step, newest frame", the nodes'
default). Each person is one window here; flip averaging, the default, makes two of it. A clip's
windows are lifted the same way, many per call; its times are per window. "Whole window" caches
nothing. "Plain" is the same network as the published code computes it, in torch's eager mode with
its LayerNorm, one window (`pstmo_core/bench/plain.py`); "times faster" is its median over a row's,
for each person. The networks named `authors'` are the authors' architecture with random weights,
`shipped` is the one of this package.

Machine: {describe_machine()}.
MMAC: multiply-accumulates that are needed for all people. Share of peak: these over the fastest
time, against the fastest large matrix product of the same precision and threads in the run; 100 %
would mean that nothing but products took time. All cases of a network ran in turns in one process;
memory is what the process grew by when the runtime was loaded and had run everything.
"""
    if baseline:
        text += f"\nCompared code: {baseline}, one window.\n"
    text += f"\n{_summary(measured)}\n"
    for each in measured:
        text += f"\n## {each.network} ({each.frames} frames)\n\n{_cases(each)}\n\n{_extra(each)}\n"
        text += f"\n{_profile(each)}\n"
        text += "".join(f"\nNot measured: {reason}.\n" for reason in each.left_out)
    return f"{text}{_precision(costs)}\nMeasured by `pstmo bench latency`.\n"


def _summary(measured: list[Measured]) -> str:
    """Return how many times faster than plain each network's fastest backend is."""
    kinds = (CENTRE, NEWEST, CLIP_CENTRE, CLIP_NEWEST)
    rows: list[list[object]] = []
    for each in measured:
        best: dict[tuple[str, str], tuple[float, float, str]] = {}
        for case in each.cases:
            if case["kind"] in kinds and case["people"] == 1:
                key = (case["precision"], case["kind"])
                ratios = (_times_faster(each, case), _times_faster(each, case, "fastest_ms"))
                best[key] = max(best.get(key, (0.0, 0.0, "")), (*ratios, case["backend"]))
        for precision in sorted({precision for precision, _ in best}, reverse=True):
            row = [best.get((precision, kind), (math.nan, math.nan, "--")) for kind in kinds]
            cells = [f"{median:.2f} / {fastest:.2f} ({name})" for median, fastest, name in row]
            rows.append([each.network, precision, *cells])
    header = ["times faster than plain", "precision", *(KINDS[kind] for kind in kinds)]
    return f"""One person, the fastest backend of each case: ratio of medians / of fastest times
(medians hold what else the machine did, which costs the plain forward more):

{table(header, rows)}"""


def _times_faster(measured: Measured, case: dict[str, Any], time: str = "median_ms") -> float:
    """Return the plain forward's time over a case's, for each person."""
    plain = {c["threads"]: c[time] for c in measured.cases if c["kind"] == PLAIN}
    return float(plain[case["threads"]] * case["people"] / case[time])


def _cases(measured: Measured) -> str:
    """Return a line a case, with how many times faster than the plain forward it is."""
    header = ["what", *_SETTING, "people", "median ms", "p95", "p99", "fastest", "MMAC"]
    header += ["share of peak", "memory MiB", "times faster"]
    rows: list[list[object]] = []
    for case in measured.cases:
        row: list[object] = [KINDS[case["kind"]]]
        row += [case[name] for name in (*_SETTING, "people", *_TIMES)]
        row += [f"{case['mmacs']:.1f}", f"{case['share_of_peak']:.0%}"]
        row.append(f"{case['memory_mib']:.0f}")
        row.append(f"{_times_faster(measured, case):.2f}")
        rows.append(row)
    return table(header, rows)


def _extra(measured: Measured) -> str:
    """Return what a further person costs beside the first, and how far off the poses are."""
    groups: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = {}
    for case in measured.cases:
        if case["kind"] in (CENTRE, NEWEST):
            key = (KINDS[case["kind"]], *(case[name] for name in _SETTING))
            groups.setdefault(key, {})[case["people"]] = case
    rows: list[list[object]] = []
    for key, cases in groups.items():
        few, many = min(cases), max(cases)
        first, last = cases[few]["median_ms"], cases[many]["median_ms"]
        each = (last - first) / (many - few) if few < many else "--"
        worst = max(case["difference"] for case in cases.values())
        rows.append([*key, first / few, each, f"{worst:.1e}"])
    header = ["what", *_SETTING, "first person ms", "each further one ms", "difference m"]
    return f"""{table(header, rows)}

Difference: the largest of all coordinates from the network's in torch, on the same windows."""


def _profile(measured: Measured) -> str:
    """Return where ONNX Runtime's step goes, beside what the products would take at the peak."""
    steps = [c for c in measured.cases if (c["kind"], c["people"]) == (CENTRE, 1)]
    exact = [case for case in steps if case["precision"] == "fp32" and case["threads"] == 1]
    total = sum(measured.profile.values())
    rows: list[list[object]] = [
        [kind, time, f"{time / total:.0%}"] for kind, time in measured.profile.items()
    ]
    text = table(["in ONNX Runtime's step of one person's centre frame", "ms", "share"], rows)
    for case in exact[:1]:
        floor = case["mmacs"] / case["peak_gmacs_per_s"]
        text += f"\n\nAt the measured peak all its products would take {floor:.3g} ms."
    return text


def _precision(costs: list[PrecisionCost]) -> str:
    """Return what precision costs, as a chapter."""
    if not costs:
        return ""
    header = ["pose of", "backend", "precision", "mean mm", "99 %", "largest"]
    header += ["MPJPE mm", "change"]
    rows: list[list[object]] = []
    for cost in costs:
        row: list[object] = ["centre frame" if cost.look_ahead else "newest frame"]
        row += [cost.backend, cost.precision]
        row += [f"{v:.4f}" for v in (cost.mean_mm, cost.p99_mm, cost.largest_mm)]
        rows.append([*row, f"{cost.mpjpe_mm:.2f}", f"{cost.mpjpe_change_mm:+.3f}"])
    return f"""
## What precision costs

The shipped network on the shipped clip: how far joints are from those by ONNX Runtime in fp32, and
the error against the captured motion.

{table(header, rows)}
"""
