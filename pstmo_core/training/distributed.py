"""Training in several processes, and how they communicate.

`torchrun` starts them. Each computes its part of every batch, and torch's DistributedDataParallel
averages the gradients. Two more things make the result equal to that of a single process: BatchNorm
takes its statistics over the whole batch (here), and the loss is a mean over the whole batch
(`pstmo_core.training.engine`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from pstmo_core.errors import ConfigError, quoted
from pstmo_core.model.checkpoints import named_device, pick_device

#: How long a process waits for the others: the first one evaluates while they do.
_PATIENCE = timedelta(hours=2)
#: What torchrun tells each process, besides their number.
_TOLD = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Processes:
    """The processes of a training, as one of them sees them."""

    device: torch.device
    """What this process computes on."""
    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files, evaluates and shows progress."""
        return self.rank == 0

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of a number over all processes, the same in each."""
        if self.count == 1:
            return value
        value = value.detach().clone()
        distributed.all_reduce(value)
        return value

    def agree(self, value: int) -> bool:
        """Say whether a whole number is the same in all processes."""
        total = int(self.total(torch.tensor(value, device=self.device)))
        return not self.any(total != value * self.count)

    def any(self, holds: bool) -> bool:
        """Say whether something holds in one process at least."""
        if self.count == 1:
            return holds
        return bool(self.total(torch.tensor(int(holds), device=self.device)) > 0)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return a model whose backward pass averages gradients over the processes.

        Weights are shared with the model that is given, whose BatchNorm becomes `SharedBatchNorm`.
        """
        if self.count == 1:
            return model
        share_batch_norm(model)
        device = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device)


@contextmanager
def join_processes(device: str = "auto") -> Iterator[Processes]:
    """Join the processes that torchrun started; without it there is but one.

    Args:
        device: as for `pick_device`; where it is CUDA, each process takes a GPU of its own.

    Raises:
        ConfigError: if there is no such device, there are more processes than GPUs, or what started
            the processes does not tell them what torchrun does.
    """
    count = _count()
    if count == 1:
        yield Processes(pick_device(device))
        return
    own = _own_device(named_device(device), int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if own.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(own, distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()


def _count() -> int:
    """Return how many processes train together."""
    count = os.environ.get("WORLD_SIZE", "1")
    missing = [name for name in _TOLD if name not in os.environ]
    if count != "1" and (missing or not count.isdecimal()):
        raise ConfigError(
            f"the environment variable WORLD_SIZE is {quoted(count)}, but must be a number, and "
            f"with {', '.join(_TOLD)} beside it (missing: {', '.join(missing) or 'none'}): start "
            "several processes by torchrun, or unset WORLD_SIZE to train in one"
        )
    return int(count)


def _own_device(device: torch.device, local_rank: int) -> torch.device:
    if device.type != "cuda":
        return device
    if device.index is not None or local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"each process needs a GPU of its own, and process {local_rank} of this machine has "
            f"none ({torch.cuda.device_count()} GPUs, device={device}): start fewer processes, "
            "with device=auto, or use device=cpu"
        )
    own = torch.device("cuda", local_rank)
    torch.cuda.set_device(own)
    return own


class SharedBatchNorm(nn.BatchNorm1d):
    """BatchNorm with the statistics of the whole batch, of which each process has an equal part.

    torch's SyncBatchNorm does the same, but not on CPUs. The weights are those of nn.BatchNorm1d,
    and in evaluation mode this is one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, width) -> (N, width)."""
        if not self.training:
            return super().forward(x)
        count = distributed.get_world_size()
        with torch.autocast(x.device.type, enabled=False):
            rows = x.float()
            mean = _Total.apply(rows.mean(0)) / count
            centred = rows - mean
            variance = _Total.apply(centred.square().mean(0)) / count
            self._remember(mean.detach(), variance.detach(), len(rows) * count)
            scaled = centred * (variance + self.eps).rsqrt()
            return torch.addcmul(self.bias, scaled, self.weight).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics, as nn.BatchNorm1d does, towards those of a batch."""
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        for running, value in (
            (self.running_mean, mean),
            (self.running_var, variance * count / (count - 1)),
        ):
            assert running is not None
            running.lerp_(value, self.momentum)


class _Total(torch.autograd.Function):
    """The sum over all processes, through which gradients go back to all."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


def share_batch_norm(model: nn.Module) -> None:
    """Put `SharedBatchNorm` with the same weights in the place of each nn.BatchNorm1d."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm1d:
                setattr(parent, name, _shared(child))


def _shared(norm: nn.BatchNorm1d) -> SharedBatchNorm:
    shared = SharedBatchNorm(norm.num_features, norm.eps, norm.momentum)
    shared.weight, shared.bias = norm.weight, norm.bias
    for name, buffer in norm.named_buffers():
        setattr(shared, name, buffer)
    return shared
