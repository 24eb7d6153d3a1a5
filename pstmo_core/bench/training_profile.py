"""Where the time of a training step goes, part by part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from pstmo_core.training import fast_on_cpu
from pstmo_core.training.engine import Trainer

DATA, LOSS, MASKS, BACKWARD = "data", "heads and loss", "dropout masks", "backward and clipping"
OPTIMISER, AVERAGING, REST = "optimiser", "averaging of weights", "rest"
PARTS = (
    *(DATA, "SEM", "TEM", "decoder", "MOFA", LOSS, MASKS),
    *(BACKWARD, OPTIMISER, AVERAGING, REST),
)
"""All parts, in the order of a step; stage I has a decoder and stage II has MOFA."""


class PartClock:
    """One clock that always runs for exactly one part: the parts add up to the whole."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device
        self._parts = [REST]
        self._since = self._now()

    def switch(self, part: str) -> None:
        """End the current part and begin another in its place."""
        self._charge()
        self._parts[-1] = part

    def enter(self, part: str) -> None:
        """Begin a part within the current one, which stands still until `leave`."""
        self._charge()
        self._parts.append(part)

    def leave(self) -> None:
        """End the part that `enter` began."""
        self._charge()
        self._parts.pop()

    def _charge(self) -> None:
        now = self._now()
        part = self._parts[-1]
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


def profile_steps(trainer: Trainer, steps: int) -> dict[str, float]:
    """Return the seconds that each part of a training step takes, the mean of some steps.

    They add up to the step. Masks of dropout are a part of their own where the CPU draws them, and
    not counted in the module that they are for.
    """
    with ExitStack() as stack:
        clock = PartClock(trainer.device)
        for part, modules in _modules(trainer.model).items():
            for module in modules:
                stack.enter_context(_timed_module(module, clock, part))
        stack.enter_context(_timed_function(fast_on_cpu, "draw_mask", clock, MASKS))
        stack.enter_context(_timed_loss(trainer, clock))
        stack.enter_context(_timed_optimiser(trainer, clock))
        clock.switch(REST)
        clock.seconds.clear()
        for _ in range(steps):
            clock.switch(DATA)
            batches = trainer.draw()
            clock.switch(REST)
            trainer.train_step(*batches)
        clock.switch(REST)
    return {part: seconds / steps for part, seconds in clock.seconds.items()}


def _modules(model: nn.Module) -> dict[str, list[nn.Module]]:
    """Return the modules of stage I or II by the paper's names.

    TEM's layers, and not TEM, because stage I calls them itself.
    """
    tem = getattr(model.tem, "layers", [])
    parts: dict[str, list[nn.Module]] = {"SEM": [model.sem], "TEM": list(tem)}  # type: ignore[list-item]
    if hasattr(model, "decoder"):
        return {**parts, "decoder": list(model.decoder)}  # type: ignore[arg-type]
    return {**parts, "MOFA": [model.mofa]}  # type: ignore[list-item]


@contextmanager
def _timed_module(module: nn.Module, clock: PartClock, part: str) -> Iterator[None]:
    before = module.register_forward_pre_hook(lambda *_: clock.enter(part))
    after = module.register_forward_hook(lambda *_: clock.leave())
    yield
    before.remove()
    after.remove()


@contextmanager
def _timed_function(
    owner: Any, name: str, clock: PartClock, part: str, after: str | None = None
) -> Iterator[None]:
    """Time a function by standing in for it; `after` is the part that follows, if not the same."""
    function: Callable[..., Any] = getattr(owner, name)

    def timed(*arguments: Any) -> Any:
        clock.enter(part)
        result = function(*arguments)
        clock.leave()
        if after is not None:
            clock.switch(after)
        return result

    setattr(owner, name, timed)
    yield
    setattr(owner, name, function)


@contextmanager
def _timed_loss(trainer: Trainer, clock: PartClock) -> Iterator[None]:
    """What the loss does outside the modules are the heads and the loss; then comes backward."""
    with _timed_function(trainer.stage, "loss", clock, LOSS, BACKWARD):
        yield


@contextmanager
def _timed_optimiser(trainer: Trainer, clock: PartClock) -> Iterator[None]:
    """After the optimiser's step comes the averaging of the weights, until the step ends."""
    optimiser = trainer.state.optimiser
    before = optimiser.register_step_pre_hook(lambda *_: clock.switch(OPTIMISER))
    after = optimiser.register_step_post_hook(lambda *_: clock.switch(AVERAGING))
    yield
    before.remove()
    after.remove()
