"""Starts a wide network from the weights of a narrower, trained one.

The narrow network's weights fill a corner of the new ones. At first nothing uses the output of the
new units, so that training begins close to where the narrow network's ended; not exactly there,
because LayerNorm takes its statistics over the new units, too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pstmo_core.errors import PstmoError
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.stmo import STMO
from pstmo_core.skeleton import JOINTS

#: Weights whose outputs are tokens; those of new channels begin small, for LayerNorm's sake.
_TO_STREAM = ("mlp.5.weight", "out.weight", "feedforward.3.weight", "reduce.weight")
_QUIET = 0.1


class WideningError(PstmoError):
    """Weights that a network cannot start from."""


@torch.no_grad()
def widen(narrow: STMO, wide: STMO) -> None:
    """Copy the weights of a trained network into one with more units of everything.

    Heads must be as wide in both, so that attention is the same: the first ones are the old ones.

    Raises:
        WideningError: if the networks differ in more than their widths.
    """
    old, new = narrow.config, wide.config
    _check(old, new)
    gain = math.sqrt(old.width / new.width)
    source = narrow.state_dict()
    for name, value in wide.state_dict().items():
        given = source.get(name)
        if given is None:
            continue
        if name == "sem.mlp.0.weight":
            given = _input_columns(given, old.encoding, new.encoding)
        if "head_" in name and "linear" in name:
            given = _per_joint(given, old.outputs, new.outputs)
        if "qkv" in name:
            _copy_qkv(given, value)
        else:
            _copy(given, value)
        if value.dim() > 1 and name.endswith(_TO_STREAM):
            value[len(given) :] *= _QUIET
        if "norm_" in name and name.endswith("weight"):
            value[: len(given)] *= gain  # the other units are small: the deviation falls so much


def _copy(given: Tensor, value: Tensor) -> None:
    """Put weights into the corner of larger ones; what new units feed into old ones is 0."""
    corner = tuple(slice(n) for n in given.shape)
    if value.dim() > 1 and value.shape != given.shape:
        outputs = slice(given.shape[0])
        value[outputs] = 0
    value[corner] = given


def _copy_qkv(given: Tensor, value: Tensor) -> None:
    parts = zip(given.chunk(3), value.chunk(3), strict=True)
    for part, into in parts:
        _copy(part, into)


def _input_columns(given: Tensor, old: str, new: str) -> Tensor:
    """First-layer weights (H, inputs) for the inputs of another encoding."""
    if old == new:
        return given
    # The turned camera looks at the person: the place in the image means what the middle did.
    place = given[:, JOINTS * 3 :].clone()
    place[:, :2] = 0
    return torch.cat([given[:, : JOINTS * 3], place, torch.zeros_like(place)], 1)


def _per_joint(given: Tensor, old: int, new: int) -> Tensor:
    """A head's rows (17 x 3, ...) for joints of four numbers: (17 x 4, ...)."""
    joints = given.unflatten(0, (JOINTS, old))
    padding = joints.new_zeros(JOINTS, new - old, *joints.shape[2:])
    return torch.cat([joints, padding], 1).flatten(0, 1)


def _check(old: ModelConfig, new: ModelConfig) -> None:
    same = ("frames", "layers", "sem", "sem_blocks", "mofa", "mofa_anchor", "step")
    wrong = [f"{n} {getattr(old, n)!r} not {getattr(new, n)!r}" for n in same
             if getattr(old, n) != getattr(new, n)]  # fmt: skip
    wider = ("width", "feedforward", "sem_width", "heads", "outputs")
    wrong += [f"{n} {getattr(old, n)} is more than {getattr(new, n)}" for n in wider
              if getattr(old, n) > getattr(new, n)]  # fmt: skip
    if old.width // old.heads != new.width // new.heads:
        wrong.append(f"heads {old.width // old.heads} wide, not {new.width // new.heads}")
    turned = (old.encoding, new.encoding) == ("person", "view") and old.sem == "mlp"
    if old.encoding != new.encoding and not turned:
        wrong.append(f"encoding {old.encoding!r} not {new.encoding!r}")
    if wrong:
        raise WideningError(f"these weights cannot be started from: {', '.join(wrong)}")
