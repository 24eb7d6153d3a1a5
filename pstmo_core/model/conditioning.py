"""Moves what is the same in all tokens out of the products, so that low precision loses less.

Nothing in training keeps a constant part of the tokens small: BatchNorm and LayerNorm take it out
again. After long training it can be eighty times as large as what differs between frames, and then
bf16 and fp16, and MOFA in float32, spend most of their digits on it. Here it goes into biases,
running means and MOFA's positions. For TEM and the head of all frames that changes nothing but
rounding. MOFA's LayerNorms see a smaller constant than before; their gains are fitted to answer as
before, which they do to within some percent of what differs between frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pstmo_core.errors import PstmoError
from pstmo_core.model.attention import SelfAttention
from pstmo_core.model.mofa import MOFA, StridedLayer
from pstmo_core.model.stmo import STMO
from pstmo_core.model.tem import TEM
from pstmo_core.model.transformer import TransformerLayer

#: The constant part that MOFA's LayerNorms keep, in deviations of the rest: much less, and a
#: LayerNorm scales each token by its own deviation instead of by a common one.
_KEPT = 6.0
#: How far below its smallest value seen a unit's output stays above 0, in distances from its mean.
_MARGIN = 0.15


class ConditioningError(PstmoError):
    """A network whose constants cannot be moved."""


@torch.no_grad()
def fold_constants(model: STMO, frames: Tensor) -> None:
    """Fold the constant parts of a network's tokens into its biases, in place.

    Args:
        model: in evaluation mode; needs TEM and MOFA.
        frames: (B, F, rows, channels) encoded windows as varied as those it was trained on, a
            thousand or so: "constant" means so on these.

    Raises:
        ConditioningError: if the network has no TEM or no MOFA.
    """
    if not isinstance(model.tem, TEM) or not isinstance(model.mofa, MOFA):
        raise ConditioningError("only networks with TEM and MOFA have constants to move")
    kept_type = next(model.parameters()).dtype
    model.double()
    embedded = model.sem(model.unseen(frames.double()))
    before = model.tem(embedded)
    _lower_units(model.tem, embedded)
    constant = _mean(before)
    last = model.tem.layers[-1]
    assert isinstance(last, TransformerLayer)
    _linears(last)[1].bias.sub_(constant)
    _shift(model.head_all.norm.running_mean, -constant)
    token_shift = _fold_mofa(model.mofa, before, before - constant)
    _shift(model.head_target.norm.running_mean, -token_shift)
    model.to(kept_type)


def _lower_units(tem: TEM, tokens: Tensor) -> None:
    """Lower hidden units that are never 0 towards 0, and give what they lose to the next bias."""
    tokens = tokens + tem.positions
    for layer in tem.layers:
        assert isinstance(layer, TransformerLayer)
        first, last = _linears(layer)
        attended = tokens + layer.attention(layer.norm_attention(tokens))
        units = first(layer.norm_feedforward(attended)).flatten(0, 1)
        least = units.min(0).values
        spare = (least - _MARGIN * (units.mean(0) - least)).clamp(min=0)
        first.bias.sub_(spare)
        last.bias.add_(last.weight @ spare)
        tokens = layer(tokens)


def _fold_mofa(mofa: MOFA, before: Tensor, after: Tensor) -> Tensor:
    """Fold MOFA's constants; tokens (B, F, width) are those that it was given and will be given.

    Returns:
        (width,) what its output now lacks.
    """
    for index, layer in enumerate(mofa.layers):
        assert isinstance(layer, StridedLayer)
        if index < len(mofa.positions):
            before = before + mofa.positions[index]
            after = after + mofa.positions[index]
            rest = _wanted(before) - _mean(after)
            mofa.positions[index].add_(rest)
            after = after + rest
        before, after = _fold_layer(layer, before, after)
    return _mean(before - after)


def _fold_layer(layer: StridedLayer, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Fold a layer's constants; returns the tokens that it made and those that it makes now."""
    normed = layer.norm_attention(before)
    attended = before + layer.attention(normed)
    _fit(layer.norm_attention, after, normed)
    seen = layer.norm_attention(after)
    _centre_attention(layer.attention, seen)
    now = after + layer.attention(seen)
    rest = _wanted(attended) - _mean(now)
    layer.attention.out.bias.add_(rest)
    now = now + rest
    normed = layer.norm_feedforward(attended)
    made = attended[:, layer.offset :: layer.stride] + _convolved(layer, normed)
    _fit(layer.norm_feedforward, now, normed)
    makes = now[:, layer.offset :: layer.stride] + _convolved(layer, layer.norm_feedforward(now))
    return made, makes


def _convolved(layer: StridedLayer, normed: Tensor) -> Tensor:
    return layer.shrink(layer.expand(normed).relu())


def _centre_attention(attention: SelfAttention, normed: Tensor) -> None:
    """Take the means out of keys and values; softmax does not see the one, `out` adds the other."""
    width = attention.out.in_features
    mean = _mean(attention.qkv(normed))
    attention.qkv.bias[width:].sub_(mean[width:])
    attention.out.bias.add_(attention.out.weight @ mean[2 * width :])


def _fit(norm: nn.LayerNorm, tokens: Tensor, wanted: Tensor) -> None:
    """Fit gain and bias of each channel so that a norm makes of tokens what was made before."""
    plain = functional.layer_norm(tokens, tokens.shape[-1:], eps=norm.eps).flatten(0, 1)
    target = wanted.flatten(0, 1)
    middle, aim = plain.mean(0), target.mean(0)
    plain = plain - middle
    gain = (plain * (target - aim)).mean(0) / plain.square().mean(0).clamp(min=1e-12)
    norm.weight.copy_(gain)
    norm.bias.copy_(aim - gain * middle)


def _wanted(tokens: Tensor) -> Tensor:
    """The constant (width,) that tokens should have: theirs, at most `_KEPT` deviations large."""
    mean = _mean(tokens)
    spread = (tokens - mean).square().mean().sqrt()
    constant = mean - mean.mean()
    size = constant.square().mean().sqrt()
    return constant * min(1.0, float(_KEPT * spread / size))


def _mean(tokens: Tensor) -> Tensor:
    return tokens.flatten(0, 1).mean(0)


def _linears(layer: TransformerLayer) -> tuple[nn.Linear, nn.Linear]:
    """The first and the last product of a layer's feed-forward block."""
    first, last = layer.feedforward[0], layer.feedforward[-1]
    assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
    return first, last


def _shift(running_mean: Tensor | None, by: Tensor) -> None:
    if running_mean is not None:
        running_mean.add_(by)
