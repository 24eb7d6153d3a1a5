"""Where the windows of a training step come from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

import torch

from pstmo_core.data.motion.balance import target_probability
from pstmo_core.data.motion.motion_files import MotionFiles
from pstmo_core.data.motion.sampler import Batch, Sampler
from pstmo_core.data.motion.streams import StreamSampler
from pstmo_core.data.motion.windows import Clips
from pstmo_core.model.trained_on import H36M17, TrainedOn
from pstmo_core.training.dataset_source import dataset_source
from pstmo_core.training.seeds import Use, mixed_seed

if TYPE_CHECKING:
    from pstmo_core.training.config import RunConfig


class Source(Protocol):
    """Training windows by step.

    The batch of a step is the same however many processes share it: what is random in it comes
    from the run's seed and the step (or epoch) alone, see `pstmo_core.training.seeds`.
    """

    windows: int | None
    """Windows of an epoch, which is `windows // count` steps long; None: there is no end."""
    joints: TrainedOn
    """The joint orders of keypoints and poses, which the network's files state."""

    def draw(self, step: int, count: int, part: slice) -> Batch:
        """Return some windows of a step's batch.

        Args:
            step: the step, from 0 on.
            count: windows of the whole batch, those of all processes together.
            part: which of them to return; the slice may have a stride.
        """
        ...


class VirtualCameras:
    """Motion capture seen by virtual cameras, every window drawn at random (docs/data.md)."""

    windows: int | None = None
    joints = H36M17

    def __init__(self, sampler: Sampler | StreamSampler, seed: int) -> None:
        self._sampler = sampler
        self._seed = seed
        self._drawn: tuple[tuple[int, int], Batch] | None = None

    def draw(self, step: int, count: int, part: slice) -> Batch:
        """See `Source.draw`; the whole batch is drawn, once a step, and the part cut out of it."""
        if self._drawn is None or self._drawn[0] != (step, count):
            self._sampler.generator.manual_seed(mixed_seed(self._seed, Use.WINDOWS, step))
            self._drawn = (step, count), self._sampler.draw(count)
        batch = self._drawn[1]
        whole = part == slice(None) or part == slice(0, None, 1)
        return batch if whole else batch.part(part)


def motion_of(config: RunConfig) -> MotionFiles:
    """Return the motion-capture files of a run, which data sets of other kinds have no use for."""
    return MotionFiles((config.mocap, *config.mocap_more))


def make_source(config: RunConfig, device: torch.device, motion: MotionFiles) -> Source:
    """Return the source that a run configuration names.

    Args:
        config: the run's.
        device: where its data are to lie.
        motion: its motion-capture files, `motion_of`.

    Raises:
        PstmoError: if a file is absent or wrong, or does not suit the settings.
    """
    if config.dataset.kind:
        return dataset_source(config, device, motion)
    captured = motion.of_split("train", config.mocap_replaced, config.without_licences)
    left_out = ", but for those that without_licences leaves out" if config.without_licences else ""
    motion.require(captured, "train", f"to train on{left_out}")
    probability = target_probability(captured, config.balance) if config.balance else None
    clips = Clips.of(captured, device, probability)
    model, generator = config.model, torch.Generator(device)
    if config.stage == "live":
        model = dataclasses.replace(model, encoding=config.live.encoding)
        windows = Sampler(clips, model, config.sampler, generator)
        others = tuple(ms / 1e3 for ms in config.live.look_aheads[1:])
        return VirtualCameras(StreamSampler(windows, config.stream, others), config.seed)
    sampler = Sampler(clips, model, config.sampler, generator)
    return VirtualCameras(sampler, config.seed)
