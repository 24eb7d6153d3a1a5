"""The tables of `pstmo bench live`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pstmo_core.bench.networks import Macs
from pstmo_core.bench.report import table
from pstmo_core.bench.streams import Situation, StreamScores
from pstmo_core.encoding import input_shape
from pstmo_core.model.checkpoints import load_lifter
from pstmo_core.model.complexity import measure_module
from pstmo_core.model.live.network import STMOLive

_MILLION = 1e6
_HEADER = ("network", "MPJPE", "N-MPJPE", "P-MPJPE", "acceleration error", "jitter", "frames")
Rows = Sequence[tuple[str, Situation, StreamScores]]


@dataclass(frozen=True)
class Cost:
    """What a network costs."""

    parameters: float
    """Millions."""
    newest: float
    """Millions of multiply-accumulates for the newest pose of one more frame of one person."""
    state_kb: float
    """Kilobytes that are kept of a person; of a window network the rows of its frames."""


class _NewestStep(nn.Module):
    """A step of a streaming network that answers for the newest moment alone."""

    def __init__(self, network: STMOLive) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, dt: Tensor, state: Tensor) -> Tensor:
        tokens, packed, past, _ = self.network.encode(frames, dt, state)
        read = self.network.moments(tokens, packed, past.basis, slice(1))
        return self.network.head(read.flatten(0, 2))


def costs(model: Path) -> Cost:
    """Count what a network costs, by the weights beside its ONNX file."""
    network = load_lifter(model.with_suffix(".safetensors"))
    parameters = sum(value.numel() for value in network.parameters()) / _MILLION
    if isinstance(network, STMOLive):
        config = network.config
        frames = torch.zeros(1, 1, *input_shape(config.encoding))
        inputs = frames, torch.zeros(1, 1), torch.zeros(1, config.state_size)
        macs = measure_module(_NewestStep(network), *inputs).macs
        return Cost(parameters, macs / _MILLION, config.state_size * 4 / 1e3)
    width = network.config.width * 4  # a row is a token with its query, key and value
    kept = network.config.frames * width * 4 / 1e3
    return Cost(parameters, Macs.of(network).newest / _MILLION, kept)


def markdown(rows: Rows, cost: dict[str, Cost], command: str, scenes: int, seconds: float) -> str:
    """Return the report."""
    parts = [
        "# Poses of streams",
        f"{scenes} people of the test splits, {seconds:g} s each, seen by virtual cameras. Their "
        "keypoints have simulated detector errors and pass through the streaming core without "
        "filters. "
        "Frames come at 25 Hz with a jitter of a tenth of the period unless the table says "
        "otherwise. Errors in mm with pelvises aligned: MPJPE, after the best scale (N-), after "
        "Procrustes (P-); acceleration error in m/s² and jitter (mean second difference of the "
        "answer, mm), both over 40 ms.",
        "Measured by:",
        f"    {command}",
        "## Size and cost",
        table(
            ("network", "parameters, millions", "MMAC for a new frame", "state of a person, kB"),
            [
                [name, f"{c.parameters:.2f}", f"{c.newest:.2f}", f"{c.state_kb:.0f}"]
                for name, c in cost.items()
            ],
        ),
    ]
    for title, field, label in (
        ("Frame rate", "rate", "Hz"),
        ("Look-ahead", "look_ahead", "look-ahead, ms"),
        ("Joints missing", "missing_joints", "missing"),
        ("Frames missing", "missing_frames", "missing"),
    ):
        default = getattr(Situation(), field)
        own = [row for row in rows if getattr(row[1], field) != default or row[1] == Situation()]
        cells = [[_value(field, row[1]), *_cells(row)] for row in own]
        parts += [f"## {title}", table((label, *_HEADER), cells)]
    return "\n\n".join(parts) + "\n"


def results(rows: Rows) -> list[dict[str, object]]:
    """Return the same for programs."""
    return [
        {"network": name, **dataclasses.asdict(situation), **dataclasses.asdict(scores)}
        for name, situation, scores in rows
    ]


def _value(field: str, situation: Situation) -> str:
    value = getattr(situation, field)
    if field == "rate":
        return f"{value:g}"
    return f"{value * 40}" if field == "look_ahead" else f"{value:.0%}"


def _cells(row: tuple[str, Situation, StreamScores]) -> list[str]:
    name, _, scores = row
    errors = (scores.mpjpe, scores.n_mpjpe, scores.p_mpjpe, scores.acceleration_error)
    return [name, *(f"{e:.1f}" for e in errors), f"{scores.jitter:.1f}", str(scores.frames)]
