"""Settings of a run that contradict one another, or that the run would not heed."""

from __future__ import annotations

import logging

from pstmo_core.errors import ConfigError, quoted
from pstmo_core.training.config import RunConfig

_log = logging.getLogger(__name__)
#: Weights to start from, and the stages that do.
_STARTS = {"encoder": ("lift",), "initial": ("lift", "live"), "lifter": ("refine",)}


def refuse_contradictions(config: RunConfig) -> None:
    """Check settings against one another, before any file is read.

    Raises:
        ConfigError: if one would have no effect or no meaning; says which, and what to set.
    """
    _check_weights(config)
    _check_data(config)
    _check_loss(config)


def check_batch(config: RunConfig, processes: int) -> None:
    """Check that a batch can be shared by some processes.

    Raises:
        ConfigError: if it cannot; says why, and what to set.
    """
    batch, accumulate = config.optimiser.batch, config.optimiser.accumulate
    if batch % (processes * accumulate):
        raise ConfigError(
            f"optimiser.batch is {batch}, but must be a multiple of {processes * accumulate}: "
            f"{processes} processes times {accumulate} micro-batches (optimiser.accumulate)"
        )
    if processes * accumulate > 1 and config.stage == "lift" and config.loss.twins:
        raise ConfigError(
            "loss.twins compares windows of a batch that processes and micro-batches would "
            "separate: train in one process with optimiser.accumulate=1, or set loss.twins=0"
        )


def _check_weights(config: RunConfig) -> None:
    for name, stages in _STARTS.items():
        value = getattr(config, name)
        if value and config.stage not in stages:
            raise ConfigError(
                f"{name} is {quoted(value)}, which is for stage={' and '.join(stages)}, but stage "
                f"is {config.stage}: leave it out, or set {name}= where the run's file names it"
            )
    if config.encoder and config.initial:
        raise ConfigError(
            "encoder and initial are both given, but a network starts from one of them: set "
            "encoder= or initial="
        )
    if config.stage == "refine" and not config.lifter:
        raise ConfigError("stage=refine needs lifting weights: name them as lifter=FILE")


def _check_data(config: RunConfig) -> None:
    dataset = config.dataset
    if config.stage == "live" and dataset.kind:
        raise ConfigError(
            "stage=live trains on motion capture seen by virtual cameras: leave dataset.kind empty"
        )
    files = ("poses", "keypoints", "train", "test")
    given = [f"dataset.{name}" for name in files if getattr(dataset, name)]
    if given and not dataset.kind:
        raise ConfigError(
            f"{' and '.join(given)} would not be read, because dataset.kind is empty: set it to "
            "h36m, mpi_inf_3dhp or clips"
        )
    names = ("mocap_more", "mocap_replaced", "without_licences")
    unread = [name for name in names if getattr(config, name)]
    if dataset.kind == "mocap" and unread:
        raise ConfigError(
            f"dataset.kind=mocap reads all clips of `mocap` and nothing else: leave "
            f"{' and '.join(unread)} empty"
        )


def _check_loss(config: RunConfig) -> None:
    loss = config.loss
    if config.stage == "live" and not loss.moments:
        _log.warning("loss.moments is 0: only the look-ahead 0 is trained, no other")
    has_sigma = config.stage == "live" or (config.stage == "lift" and config.model.sigma)
    if has_sigma and not loss.sigma and not config.initial:
        _log.warning("loss.sigma is 0: sigma is not trained, and its values will mean nothing")
    if config.stage != "lift":
        return
    if loss.sigma and not config.model.sigma:
        raise ConfigError(
            f"loss.sigma is {loss.sigma:g}, but the network has no sigma: set model.sigma=true, or "
            "loss.sigma=0"
        )
    if loss.bones and config.dataset.kind == "mpi_inf_3dhp":
        raise ConfigError(
            f"loss.bones is {loss.bones:g}, but it knows Human3.6M's bones alone, and "
            "dataset.kind=mpi_inf_3dhp has other joints: set loss.bones=0"
        )
    if loss.twins and (config.dataset.kind or not config.sampler.twins):
        raise ConfigError(
            f"loss.twins is {loss.twins}, but no window has a twin: set sampler.twins (motion "
            "capture seen by virtual cameras alone has them)"
        )
