"""Training windows of a data set of sequences: each frame is a target once an epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pstmo_core.data.motion.motion_files import MotionFiles
from pstmo_core.data.motion.sampler import Batch
from pstmo_core.data.sequences.datasets import VALIDATION_SPLITS, DatasetConfig, load_dataset
from pstmo_core.data.sequences.pose_dataset import PoseDataset
from pstmo_core.data.sequences.windows import SequenceWindows, Windows
from pstmo_core.errors import ConfigError
from pstmo_core.training.seeds import Use, mixed_seed

if TYPE_CHECKING:
    from pstmo_core.model.config import ModelConfig
    from pstmo_core.training.config import RunConfig


@dataclass(frozen=True)
class DatasetBatch(Batch):
    """A batch that keeps what it was encoded from; the refine module needs it.

    Without truth, which stage I does not need, `poses` are (B, F, 0, 3).
    """

    windows: Windows | None = None


class DatasetWindows:
    """Every valid frame of every sequence once an epoch, and once mirrored where flips are on.

    Each epoch has an order of its own. What is left of it after the last whole batch is dropped,
    which are other windows in every epoch.
    """

    windows: int | None

    def __init__(
        self, data: SequenceWindows, model: ModelConfig, dataset: DatasetConfig, seed: int
    ) -> None:
        data.check_encoding(model.encoding)
        self._data = data
        self._model = model
        self._dataset = dataset
        self._seed = seed
        self._targets = data.targets()
        self._shuffled: tuple[int, Tensor] | None = None
        self._count = len(self._targets) * (2 if dataset.flip else 1)
        self.windows, self.joints = self._count, data.joints

    def draw(self, step: int, count: int, part: slice) -> DatasetBatch:
        """See `pstmo_core.training.sources.Source.draw`; only the part is gathered.

        Raises:
            ConfigError: if an epoch has fewer windows than the batch.
        """
        if count > self._count:
            raise ConfigError(
                f"optimiser.batch is {count}, but an epoch has only {self._count} windows: use a "
                "smaller batch"
            )
        epoch, index = divmod(step, self._count // count)
        chosen = self._order(epoch)[index * count : (index + 1) * count][part]
        chosen = chosen.to(self._targets.device)
        rows = self._targets[chosen % len(self._targets)]
        windows = self._data.cut(rows, self._dataset.tds, self._model.frames)
        if self._dataset.flip:
            windows = self._data.flip(windows, chosen >= len(self._targets))
        frames = self._data.encode(windows, self._model.encoding)
        poses = self._data.truth(windows, frames, self._model.encoding)
        return DatasetBatch(frames, poses, windows=windows)

    def _order(self, epoch: int) -> Tensor:
        """Return the order of an epoch's windows, kept until another epoch is asked for."""
        if self._shuffled is None or self._shuffled[0] != epoch:
            generator = torch.Generator().manual_seed(mixed_seed(self._seed, Use.WINDOWS, epoch))
            self._shuffled = epoch, torch.randperm(self._count, generator=generator)
        return self._shuffled[1]


def dataset_source(config: RunConfig, device: torch.device, motion: MotionFiles) -> DatasetWindows:
    """Return the training windows of the data set that a run configuration names.

    Raises:
        DatasetError: if a file is absent or wrong.
        ConfigError: if the network's time step is not that of the windows.
    """
    dataset = load_dataset(config.dataset, "train", motion)
    check_step(dataset, config.model.step, config.dataset.tds)
    windows = SequenceWindows.of(dataset, device)
    return DatasetWindows(windows, config.model, config.dataset, config.seed)


def validation_sequences(
    config: RunConfig, device: torch.device, motion: MotionFiles
) -> SequenceWindows:
    """Return the sequences on which a run is judged, of the split that its data set has for it.

    Raises:
        DatasetError: if a file is absent or wrong, or the encoding does not suit the joints.
    """
    split = VALIDATION_SPLITS.get(config.dataset.kind, "val")
    data = SequenceWindows.of(load_dataset(config.dataset, split, motion), device)
    data.check_encoding(config.model.encoding)
    return data


def check_step(dataset: PoseDataset, step: float, tds: int) -> None:
    """Refuse a network's time step (seconds) that no sequence has at this downsampling.

    The step is what the network is fed by wherever it is used later.

    Raises:
        ConfigError: naming the steps that there are.
    """
    steps = sorted({tds / sequence.fps for sequence in dataset if sequence.fps is not None})
    if steps and not np.isclose(steps, step, rtol=0.01).any():
        raise ConfigError(
            f"model.step is {step:g} s, but {dataset.name} with dataset.tds={tds} has "
            f"{' and '.join(f'{value:g}' for value in steps)} s between frames of a window: set "
            "one of the two"
        )
