"""The measured speed of training as tables."""

from __future__ import annotations

import numpy as np
import torch

from pstmo_core.bench.machine import describe_machine
from pstmo_core.bench.report import table
from pstmo_core.bench.training import BASELINE, OURS, STAGES, Case, Plan, torch_setting
from pstmo_core.bench.training_profile import PARTS
from pstmo_core.training.config import RunConfig


def markdown(
    cases: list[Case], config: RunConfig, plan: Plan, device: torch.device, baseline: str
) -> str:
    """Return the report.

    Args:
        cases: measured.
        config: the run whose steps were taken.
        plan: what was measured.
        device: what the networks ran on.
        baseline: name of the compared code, or empty.
    """
    model, batch, setting = config.model, config.optimiser.batch, torch_setting(device)
    text = f"""# Speed of training

Windows a second of whole training steps: drawing the batch, forward, backward, optimiser, running
average. {model.frames} frames, batch {batch}, width {model.width}, encoding `{model.encoding}`,
dropout {model.dropout:g}, optimiser `{config.optimiser.kind}`. Machine: {describe_machine()}.
Device {setting["device"]}, {setting["threads"]} threads, torch {setting["torch"]}. All cases ran in
turns in one process, {plan.turns} turns of {plan.steps} steps each: the median of the turns, in
brackets the slowest and the fastest.
"""
    if baseline:
        text += f"\nCompared code: {baseline}. It is given its batch; ours draws it.\n"
    text += (
        f"\n{_speeds(cases)}\n\n## Parts of a step\n\nMilliseconds, and the share of the step.\n"
    )
    return text + f"\n{_profiles(cases)}\n\nMeasured by `pstmo bench train`.\n"


def _speeds(cases: list[Case]) -> str:
    others = {(case.stage, case.precision): case for case in cases if case.code == BASELINE}
    header = ["stage", "precision", "windows/s"]
    if others:
        header += ["compared code, windows/s", "times faster", "than the compared code in fp32"]
    rows: list[list[object]] = []
    for case in (case for case in cases if case.code == OURS):
        row: list[object] = [STAGES[case.stage], case.precision, _spread(case.samples)]
        if others:
            same = others.get((case.stage, case.precision))
            full = others.get((case.stage, "fp32"))
            row.append(_spread(same.samples) if same else "-")
            row += [_spread(case.times_faster(other)) if other else "-" for other in (same, full)]
        rows.append(row)
    return table(header, rows)


def _profiles(cases: list[Case]) -> str:
    """Return a column a case and a row a part, in the order of a step."""
    own = [case for case in cases if case.code == OURS]
    parts = [part for part in PARTS if any(part in case.profile for case in own)]
    header = ["part", *(f"{STAGES[case.stage]}, {case.precision}" for case in own)]
    rows: list[list[object]] = [[part, *(_share(case, part) for case in own)] for part in parts]
    return table(header, [*rows, ["step", *(sum(c.profile.values()) * 1e3 for c in own)]])


def _share(case: Case, part: str) -> str:
    if part not in case.profile:
        return "-"
    seconds = case.profile[part]
    return f"{seconds * 1e3:.1f} ({seconds / sum(case.profile.values()):.1%})"


def _spread(values: np.ndarray) -> str:
    return f"{np.median(values):#.3g} ({values.min():#.3g}-{values.max():#.3g})"
