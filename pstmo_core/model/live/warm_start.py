"""Starts a streaming network from a trained one: a window network, or one of its own kind.

From a window network it takes what both have in common: SEM, the embedding of unseen joints, the
layers of TEM and the all-frames head. Where several attention heads share keys and values here, the
window network's are averaged. Layers that TEM does not have begin with little effect. Trained
tokens are large, and a freshly initialised layer that reads poses from them would be drowned out
for thousands of steps, so its output is scaled up to their size.
"""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor, nn

from pstmo_core.errors import PstmoError
from pstmo_core.model.live.mixing import Projection
from pstmo_core.model.live.network import Moments, STMOLive
from pstmo_core.model.stmo import STMO
from pstmo_core.model.tem import TEM

_QUIET = 0.1


class WarmStartError(PstmoError):
    """Weights that a network cannot start from."""


def go_on(live: STMOLive, trained: STMOLive) -> None:
    """Copy a trained streaming network's weights into one of the same configuration.

    Raises:
        WarmStartError: if their configurations differ.
    """
    new, old = asdict(live.config), asdict(trained.config)
    if wrong := [
        f"{name} {old[name]!r} not {new[name]!r}" for name in new if old[name] != new[name]
    ]:
        raise WarmStartError(f"these weights cannot be started from: {', '.join(wrong)}")
    live.load_state_dict(trained.state_dict())


@torch.no_grad()
def warm_start(live: STMOLive, window: STMO) -> None:
    """Copy what a trained window network knows into a streaming one.

    Raises:
        WarmStartError: if their tokens or inputs differ.
    """
    _check(live, window)
    live.unseen.load_state_dict(window.unseen.state_dict())
    live.sem.load_state_dict(window.sem.state_dict())
    live.head.load_state_dict(window.head_all.state_dict())
    learned = list(window.tem.layers) if isinstance(window.tem, TEM) else []
    if isinstance(window.tem, TEM):
        live.start.copy_(window.tem.positions[0, -1])
    for index, layer in enumerate(live.layers):
        attention = layer.get_submodule("attention")
        assert isinstance(attention, Projection)
        if index >= len(learned):
            _quiet(attention.out)
            _quiet(layer.get_submodule("feedforward")[-1])  # type: ignore[index]
            continue
        for name, value in learned[index].state_dict().items():
            if "qkv" in name:
                value = _shared(value, attention)
            name = name.replace("feedforward.3", "feedforward.2")  # there is no dropout here
            layer.get_parameter(name).copy_(value)
    assert live.head.norm.running_var is not None
    _scale_to(live.moments, live.head.norm.running_var.mean().sqrt())


def _scale_to(moments: Moments, deviation: Tensor) -> None:
    """Scale the output of the layer that reads poses to the size of the tokens it is added to."""
    moments.moment.mul_(deviation)
    for linear in (moments.attention.out, moments.feedforward[-1]):
        assert isinstance(linear, nn.Linear)
        linear.weight.mul_(deviation)


def _shared(given: Tensor, attention: Projection) -> Tensor:
    """Query, key and value (3 width, ...) with keys and values averaged over groups of heads."""
    query, *others = given.chunk(3)
    shape = (attention.key_heads, attention.groups, attention.depth)
    return torch.cat([query, *(o.unflatten(0, shape).mean(1).flatten(0, 1) for o in others)])


def _quiet(linear: nn.Module) -> None:
    assert isinstance(linear, nn.Linear)
    linear.weight.mul_(_QUIET)
    linear.bias.zero_()


def _check(live: STMOLive, window: STMO) -> None:
    new, old = live.config, window.config
    names = ("width", "feedforward", "heads", "sem_width", "sem_blocks", "encoding", "outputs")
    wrong = [f"{name} {getattr(old, name)!r} not {getattr(new, name)!r}" for name in names
             if getattr(old, name) != getattr(new, name)]  # fmt: skip
    if old.sem != "mlp":
        wrong.append(f"sem {old.sem!r} not 'mlp'")
    if wrong:
        raise WarmStartError(f"these weights cannot be started from: {', '.join(wrong)}")
