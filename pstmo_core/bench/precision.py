"""The error of a backend's precision in millimetres: the shipped network on the shipped clip."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pstmo_core.errors import PstmoError
from pstmo_core.evaluation.metrics import joint_errors, mpjpe
from pstmo_core.keypoints.clip import load_clip, sample_path
from pstmo_core.runtime import Runtime, load_window_runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import Prediction, lift_clip


@dataclasses.dataclass(frozen=True)
class PrecisionCost:
    """How far off the poses are from those of ONNX Runtime in fp32, over all joints of the clip."""

    backend: str
    precision: str
    look_ahead: int
    """Frames after the lifted one: 0, or half of the window, where MOFA gives the pose."""
    mean_mm: float
    p99_mm: float
    largest_mm: float
    mpjpe_mm: float
    """Against the captured motion."""
    mpjpe_change_mm: float


def precision_costs(backends: tuple[str, ...], precisions: tuple[str, ...]) -> list[PrecisionCost]:
    """Lift the shipped clip with every backend and precision that can run here."""
    reference = load_window_runtime(backend="onnxruntime")
    costs = []
    for backend in backends:
        for precision in precisions:
            try:
                runtime = load_window_runtime(backend=backend, precision=precision)
            except PstmoError:
                continue  # the latency's report says why
            costs += [_cost(runtime, reference, each) for each in (reference.config.target, 0)]
    return costs


def _cost(runtime: Runtime, reference: Runtime, look_ahead: int) -> PrecisionCost:
    clip, config = load_clip(sample_path()), StreamConfig(look_ahead=look_ahead)
    ours, exact = (lift_clip(clip, each, config) for each in (runtime, reference))
    apart = joint_errors(ours.joints, exact.joints) * 1e3
    apart = apart[np.isfinite(apart)]
    error, exact_error = (_mpjpe(each, clip.truth) for each in (ours, exact))
    return PrecisionCost(
        runtime.backend,
        runtime.precision,
        look_ahead,
        float(apart.mean()),
        float(np.percentile(apart, 99)),
        float(apart.max()),
        error,
        error - exact_error,
    )


def _mpjpe(prediction: Prediction, truth: Any) -> float:
    return float(np.nanmean(mpjpe(prediction.joints, truth))) * 1e3
