"""Measuring the network of an experiment's row under a condition."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from pstmo_core.bench.real import Measures, lift, measure
from pstmo_core.bench.real_recordings import load_recordings
from pstmo_core.data.motion.detector_noise import DetectorNoise
from pstmo_core.data.sequences.datasets import DatasetConfig
from pstmo_core.errors import PstmoError
from pstmo_core.evaluation.dataset import EvaluationProtocol
from pstmo_core.evaluation.mocap_windows import Evaluation
from pstmo_core.evaluation.virtual_windows import InputCondition
from pstmo_core.evaluation.weights import evaluate_weights
from pstmo_core.experiments.catalogue import Condition, Measuring
from pstmo_core.model.checkpoints import load_lifter, pick_device
from pstmo_core.runtime import load_runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.training.config import RunConfig

Found = dict[str, Any]


def measure_network(
    measuring: Measuring,
    condition: Condition,
    config: RunConfig,
    weights: Path,
    refine: Path | str = "",
    real: Path | None = None,
) -> Found:
    """Measure a network under a condition.

    Args:
        measuring: how the networks of the experiment are measured.
        condition: the condition.
        config: of the network's training.
        weights: the network.
        refine: weights of a refine module; empty: none.
        real: folder of recordings of real people, for conditions that need it.

    Returns:
        `mean` with one value a metric, and `groups` of them; either may be absent.

    Raises:
        PstmoError: if a file cannot be used, or the recordings lack the condition's keypoints.
    """
    if condition.real:
        assert real is not None
        return _on_real_video(real, condition, weights)
    if measuring.windows:
        return _on_windows(measuring.windows, condition, config, weights)
    dataset = measuring.dataset if measuring.dataset.kind else config.dataset
    report = evaluate_weights(
        weights,
        dataset,
        _protocol(measuring, condition, dataset),
        mocap=config.mocap,
        refine=refine,
        device=config.device,
    )
    # Human3.6M's custom is the mean over actions, MPI-INF-3DHP's over frames.
    custom = "frames" if dataset.kind == "mpi_inf_3dhp" else "actions"
    return {"mean": report["mean"][custom], "groups": report["action"]}


def _on_windows(windows: int, condition: Condition, config: RunConfig, weights: Path) -> Found:
    faults = DetectorNoise(clean_share=0.0) if condition.faults else None
    shown = InputCondition(gravity_known=condition.gravity, faults=faults)
    device = pick_device(config.device)
    evaluation = Evaluation(
        config.mocap, "test", config.model, device, windows=windows, condition=shown
    )
    scores = evaluation.measure(load_lifter(weights).to(device), condition.look_ahead)
    return {"groups": {name: dataclasses.asdict(value) for name, value in scores.items()}}


def _on_real_video(folder: Path, condition: Condition, weights: Path) -> Found:
    """Lift a detector's keypoints as the node would; the mean is over all views."""
    runtime, stream = load_runtime(weights), StreamConfig(look_ahead=condition.look_ahead or 0)
    detector = condition.real
    views = [view for each in load_recordings(folder).values() for view in each]
    measured = [
        measure(lift(view, detector, runtime, stream), view, view.keypoints[detector])
        for view in views
        if detector in view.keypoints
    ]
    if not measured:
        known = sorted({name for view in views for name in view.keypoints})
        raise PstmoError(f"{folder}: has no keypoints {detector!r}; it has {', '.join(known)}")
    return {"mean": dataclasses.asdict(Measures.mean(measured))}


def _protocol(
    measuring: Measuring, condition: Condition, dataset: DatasetConfig
) -> EvaluationProtocol:
    return EvaluationProtocol(
        # Another data set than the one trained on is cut as the network's time step asks.
        tds=0 if measuring.dataset.kind else dataset.tds,
        flip=measuring.flip,
        look_ahead=condition.look_ahead,
        corruption=condition.corruption,
    )
