"""How many windows per second stage I and stage II train on, and what a step spends its time on.

All cases are made first and then measured in turns, in an order that is redrawn for each turn,
so that whatever else the machine does falls on all alike. Code of others can be measured among
them.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from pstmo_core.bench.training_profile import profile_steps
from pstmo_core.errors import PstmoError
from pstmo_core.training.config import RunConfig
from pstmo_core.training.engine import Trainer

STAGES = {"pretrain": "stage I", "lift": "stage II"}
OURS, BASELINE = "ours", "compared code"

MakeStep = Callable[[str, int, int, str], Callable[[], object] | None]


@dataclass(frozen=True)
class Plan:
    """What is measured: every combination, `turns` times, `steps` steps each time."""

    stages: tuple[str, ...] = ("pretrain", "lift")
    precisions: tuple[str, ...] = ("fp32", "bf16")
    turns: int = 5
    steps: int = 3
    warm_up: int = 2
    """Steps of each case before anything is counted."""

    def __post_init__(self) -> None:
        for stage in self.stages:
            if stage not in STAGES:
                raise PstmoError(f"stage is {stage!r}, but must be one of {', '.join(STAGES)}")


@dataclass
class Case:
    """One kind of training step that is timed again and again."""

    code: str
    stage: str
    precision: str
    batch: int
    step: Callable[[], object]
    trainer: Trainer | None = None
    seconds: list[float] = field(default_factory=list)
    """Of a step, one entry per turn."""
    profile: dict[str, float] = field(default_factory=dict)
    """Seconds of a step by part; empty for the compared code."""

    def turn(self, steps: int, device: torch.device) -> None:
        """Take some steps and note how long one takes."""
        _wait(device)
        begin = time.perf_counter()
        for _ in range(steps):
            self.step()
        _wait(device)
        self.seconds.append((time.perf_counter() - begin) / steps)

    @property
    def samples(self) -> np.ndarray:
        """Windows a second, one entry per turn."""
        return self.batch / np.array(self.seconds)

    def times_faster(self, other: Case) -> np.ndarray:
        """Say how many times as fast as another case this was, in each turn."""
        return np.array(other.seconds) / np.array(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return what goes into a JSON file."""
        names = ("code", "stage", "precision", "batch", "seconds", "profile")
        return {name: getattr(self, name) for name in names}


def make_cases(config: RunConfig, plan: Plan, baseline: MakeStep | None) -> list[Case]:
    """Make everything that is to be measured.

    Args:
        config: the run whose steps are taken; its stage and precision are the plan's.
        plan: what is measured.
        baseline: `make_step(stage, frames, batch, precision)` of the compared code, which returns a
            function that takes one training step, or None where it has no such precision.
    """
    cases = []
    for stage in plan.stages:
        for precision in plan.precisions:
            cases.append(_own_case(config, stage, precision))
            batch = config.optimiser.batch
            if baseline and (step := baseline(stage, config.model.frames, batch, precision)):
                cases.append(Case(BASELINE, stage, precision, batch, step))
    return cases


def measure(cases: list[Case], plan: Plan, device: torch.device) -> Iterator[None]:
    """Fill in the cases' times and profiles; pauses after each of `turns + 2` sections."""
    for case in cases:
        for _ in range(plan.warm_up):
            case.step()
    yield
    order = random.Random(0)
    for _ in range(plan.turns):
        for case in order.sample(cases, len(cases)):
            case.turn(plan.steps, device)
        yield
    for case in cases:
        if case.trainer is not None:
            case.profile = profile_steps(case.trainer, plan.steps)
    yield


def torch_setting(device: torch.device) -> dict[str, str | int]:
    """Return what of torch and the device a result depends on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "device": name}


def _own_case(config: RunConfig, stage: str, precision: str) -> Case:
    config = dataclasses.replace(config, stage=stage, precision=precision, validation_windows=1)
    trainer = Trainer(config)

    def step() -> None:
        trainer.train_step(*trainer.draw())

    return Case(OURS, stage, precision, config.optimiser.batch, step, trainer)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
