"""The tables of experiments in Markdown: the paper's numbers, and under them what was measured."""

from __future__ import annotations

import json
import statistics
from typing import Any

from pstmo_core.experiments.catalogue import Column, Experiment, Row
from pstmo_core.experiments.run import Folders, asked_of
from pstmo_core.model.complexity import Complexity, measure, table_3_sem

_NOTHING = "\N{EN DASH}"
NOT_RUN = "not run"
DATA_ABSENT = "not run: data absent"
_DECIMALS = {"parameters": 2, "flops": 1}
_COMPLEXITY_COLUMNS = (
    "table", "network", "parameters", "as the paper counts", "paper", "MACs",
    "FLOPs as the paper counts", "paper",
)  # fmt: skip
_COMPLEXITY_HEAD = """# Parameters and MACs

Millions, for the networks of the paper's Tables 3 to 7 and one window, counted on the networks of
this project by

    pstmo experiments complexity -o docs/benchmarks/complexity.md

*Parameters* and *MACs* count everything: parameters with positional embeddings and the all-frames
head; MACs (multiply-accumulates) of all linear layers and convolutions and of the products inside
attention. Both anchors of MOFA cost the same.

*As the paper counts* are the numbers from which the paper's were rounded or truncated. They are
what the counter `thop` finds in the authors' code: parameters without positional embeddings; MACs
without the products inside attention (a seventh of all MACs at 243 frames) and without LayerNorm,
but with two operations per value for BatchNorm and one for LeakyReLU and for the bias of a
convolution. The all-frames head is counted in networks with MOFA only. Tables 3 to 6 double these
MACs and call them FLOPs; Table 7 lists the MACs themselves. Its 741.4 is half of 1482.8, not of the
1482 of the other tables: probably a slip for 741.1, as the 1350 of Table 4 is for 1351.
"""


_SEM_NOTE = """Table 3's row "SEM" counts another network than the SEM of the rows below it: two
blocks of width 512 with the head straight on them, for all frames (the network of Martinez et al.,
the paper's reference 31), have {:.2f} M parameters and {:.1f} M FLOPs. The paper lists 1.1 M and
536 M."""


def table(experiment: Experiment, folders: Folders) -> str:
    """Return an experiment as Markdown: title, explanation and table.

    Counts are those of the networks, in the paper's way of counting; errors are means over the
    seeds that have a result, with their standard deviation.
    """
    results = {row.name: _results(experiment, row, folders) for row in experiment.rows}
    overrides = {tuple(one["overrides"]) for found in results.values() for one in found} - {()}
    head = ["", "", *(column.title for column in experiment.columns), "seeds"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in experiment.rows:
        lines += _lines(experiment, row, results[row.name], folders)
    notes = [experiment.text.strip()] if experiment.text else []
    if old := [row.name for row in experiment.rows if _is_old(experiment, row, results[row.name])]:
        notes.append(
            f"Measured before their settings were changed: {', '.join(old)}. Run them again."
        )
    notes += [f"Run with `{' '.join(names)}`." for names in sorted(overrides)]
    return "\n\n".join([f"## {experiment.title}", *notes, "\n".join(lines)]) + "\n"


def _results(experiment: Experiment, row: Row, folders: Folders) -> list[dict[str, Any]]:
    folder = folders.result(experiment, row, 1).parent
    return [json.loads(path.read_text()) for path in sorted(folder.glob("seed*.json"))]


def _is_old(experiment: Experiment, row: Row, results: list[dict[str, Any]]) -> bool:
    asked = asked_of(experiment, row)
    return any(one.get("asked", asked) != asked for one in results)


def _lines(
    experiment: Experiment, row: Row, results: list[dict[str, Any]], folders: Folders
) -> list[str]:
    """Return a row's two lines, or one where the paper has no number."""
    cells = [_cell(experiment, row, column, results) for column in experiment.columns]
    if not results:
        why = DATA_ABSENT if folders.absent(experiment, row) else NOT_RUN
        first = next((i for i, cell in enumerate(cells) if not cell), len(cells) - 1)
        cells[first] = why
    measured = [*(cell or _NOTHING for cell in cells), str(len(results) or _NOTHING)]
    lines = [["measured", *measured]]
    if any(value is not None for value in row.paper):
        paper = zip(row.paper, experiment.columns, strict=True)
        lines.insert(0, ["paper", *(_paper_cell(value, column) for value, column in paper), ""])
    names = [row.name, *[""] * (len(lines) - 1)]
    return [f"| {name} | {' | '.join(line)} |" for name, line in zip(names, lines, strict=True)]


def _paper_cell(value: float | None, column: Column) -> str:
    if value is None:
        return _NOTHING
    return f"{value:g}" if column.metric in ("flops", "fps") else f"{value:.1f}"


def _cell(experiment: Experiment, row: Row, column: Column, results: list[dict[str, Any]]) -> str:
    """Return what was measured, or nothing."""
    if column.metric in _DECIMALS:
        counted = measure(experiment.lifting(row, []).model)
        value = count(counted, column.metric, experiment.flops_per_mac)
        return f"{value:.{_DECIMALS[column.metric]}f}"
    metric = row.metric or column.metric
    found = [_value(one, column, metric) for one in results]
    values = [value for value in found if value is not None]
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


def _value(result: dict[str, Any], column: Column, metric: str) -> float | None:
    condition = result["conditions"].get(column.condition, {})
    source = condition.get("groups", {}).get(column.group, {}) if column.group else None
    value = (condition.get("mean", {}) if source is None else source).get(metric)
    return None if value is None else float(value)


def count(counted: Complexity, metric: str, flops_per_mac: int) -> float:
    """Return a network's parameters or FLOPs in millions, counted as the paper does."""
    if metric == "parameters":
        return counted.paper_parameters / 1e6
    return counted.paper_macs * flops_per_mac / 1e6


def complexity_page(experiments: list[Experiment]) -> str:
    """Return parameters and MACs of all rows that the paper gives them for, as a Markdown page."""
    sem = table_3_sem()
    lines = [f"| {' | '.join(_COMPLEXITY_COLUMNS)} |", "|---" * len(_COMPLEXITY_COLUMNS) + "|"]
    for experiment in experiments:
        lines += [_complexity_line(experiment, row) for row in experiment.rows]
    explained = _SEM_NOTE.format(count(sem, "parameters", 2), count(sem, "flops", 2))
    return "\n".join([_COMPLEXITY_HEAD, *lines, "", explained]) + "\n"


def _complexity_line(experiment: Experiment, row: Row) -> str:
    model = experiment.lifting(row, []).model
    whole, counted = measure(model, multi_frame_head=True), measure(model)
    titles = [column.metric for column in experiment.columns]
    paper = [row.paper[titles.index(name)] for name in _DECIMALS]
    ours = [count(counted, name, experiment.flops_per_mac) for name in _DECIMALS]
    cells = [
        f"{experiment.name.removeprefix('table')} | {row.name}",
        f"{whole.parameters / 1e6:.3f} | {ours[0]:.3f} | {paper[0]:g}",
        f"{whole.macs / 1e6:.1f} | {ours[1]:.1f} | {paper[1]:g}",
    ]
    return f"| {' | '.join(cells)} |"
