"""Accuracy of weight files on a data set that a configuration names: `pstmo evaluate --dataset`."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pstmo_core.data.sequences.datasets import DatasetConfig, load_dataset
from pstmo_core.evaluation.dataset import EvaluationProtocol, evaluate_dataset
from pstmo_core.model.checkpoints import load_refine, load_weights, pick_device


def evaluate_weights(
    weights: Path | str,
    dataset: DatasetConfig,
    protocol: EvaluationProtocol | None = None,
    *,
    split: str = "test",
    mocap: Path | str = "",
    refine: Path | str = "",
    device: str = "auto",
) -> dict[str, Any]:
    """Measure a lifting network on every valid frame of a split.

    Args:
        weights: the network's weight file.
        dataset: the data set; its `tds` and `flip` hold where there is no protocol.
        protocol: how the network is asked; None = centre frame, on keypoints as they are.
        split: `train`, `test` or, for the motion capture, `val`.
        mocap: the motion-capture file.
        refine: weight file of a refine module; empty = none.
        device: `auto`, `cpu` or `cuda`.

    Returns:
        The tree of `evaluate_dataset`, with the file, its digest, the network's configuration and
        the split.

    Raises:
        CheckpointError: if a weight file cannot be used.
        DatasetError: if a data file is absent or wrong, or does not suit the network.
        ConfigError: if the protocol does not suit the network, or it was trained on other joints.
    """
    chosen_device = pick_device(device)
    network = load_weights(weights).to(chosen_device)
    module = load_refine(refine).to(chosen_device) if str(refine) else None
    data = load_dataset(dataset, split, mocap)
    network.trained_on.require(data.joints)
    protocol = protocol or EvaluationProtocol(dataset.tds, dataset.flip)
    count = sum(int(sequence.valid.sum()) for sequence in data)
    with tqdm(total=count, unit="frame", unit_scale=True, delay=1) as bar:
        report = evaluate_dataset(network, data, protocol, module, chosen_device, bar.update)
    return {
        "weights": Path(weights).name,
        "sha256": hashlib.sha256(Path(weights).read_bytes()).hexdigest(),
        "model": dataclasses.asdict(network.config),
        "kind": dataset.kind,
        "split": split,
        **report,
    }
