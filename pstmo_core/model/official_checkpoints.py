"""The authors' checkpoints in this project's networks.

Their files hold a bare state dict. Everything that a network needs follows from the shapes in it,
but for what their code fixes: 8 attention heads, dropout 0.1 and keypoints encoded as `screen`.
Three things differ from a plain renaming:

- Their LayerNorm divides by the unbiased standard deviation. The native one divides by the biased
  one, smaller by sqrt((d - 1) / d), which is folded into the weight.
- Their 1x1 convolutions are matrices, and query, key and value are one matrix here.
- Each of MOFA's positional embeddings has the length of the window there, of which a layer uses
  the beginning. And the norms at the end of their Transformers are stored but never applied.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from pstmo_core.errors import PstmoError
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.masked import MaskedConfig, MaskedSTMO
from pstmo_core.model.refine import Refine, RefineConfig
from pstmo_core.model.stmo import STMO

_UNUSED = re.compile(r"Transformer(_reduce|_dec)?\.model\.norm\.[ab]_2")
_MOFA_POSITIONS = 3
_MOST_NAMES = 8

_Network = TypeVar("_Network", bound=nn.Module)


class OfficialError(PstmoError):
    """A state dict that is not one of the authors'; says which keys or shapes are wrong."""


@dataclass(frozen=True)
class _Rule:
    """Where a weight of ours comes from."""

    ours: str
    theirs: tuple[str, ...]
    convert: Callable[..., Tensor] = lambda value: value


def convert_official(state: Mapping[str, Tensor], step: float) -> STMO | MaskedSTMO | Refine:
    """Build the network of a state dict of the authors, in evaluation mode.

    Args:
        state: weights by the authors' names, with or without the prefix `module.`.
        step: seconds between frames, which the weights do not tell.

    Raises:
        OfficialError: if keys are missing or unknown or shapes do not fit.
        ConfigError: if the shapes are those of a network that cannot be built.
    """
    state = {str(name).removeprefix("module."): value for name, value in state.items()}
    if wrong := [name for name, value in state.items() if not isinstance(value, Tensor)]:
        raise OfficialError(f"no tensors: {_listed(wrong)}")
    if any(name.startswith("post_refine.") for name in state):
        return _fill(*_refine(state), state)
    if any(name.startswith("Transformer_dec.") or name == "mask_token" for name in state):
        return _fill(*_stage_one(state, step), state)
    if any(name.startswith("Transformer_reduce.") for name in state):
        return _fill(*_stage_two(state, step), state)
    raise OfficialError("no keys of stage I, stage II or the refine module")


def _stage_two(state: Mapping[str, Tensor], step: float) -> tuple[STMO, list[_Rule]]:
    config = _config(state, step)
    rules = _encoder(config.layers)
    length = config.frames
    for index, stride in enumerate(config.strides):
        theirs = f"Transformer_reduce.model.layers.{index}"
        rules += _layer(f"mofa.layers.{index}", theirs, "expand", "reduce")
        if index < _MOFA_POSITIONS:
            theirs = f"Transformer_reduce.model.pos_embedding_{index + 1}"
            rules.append(_Rule(f"mofa.positions.{index}", (theirs,), _first(length)))
        length //= stride
    rules += _head("head_target.norm", "head_target.linear", "fcn")
    rules += _head("head_all.norm", "head_all.linear", "fcn_1")
    return STMO(config), rules


def _stage_one(state: Mapping[str, Tensor], step: float) -> tuple[MaskedSTMO, list[_Rule]]:
    layers = _depth(state, "Transformer_dec")
    feedforward = "Transformer_dec.model.layers.0.feed_forward.w_1.weight"
    config = MaskedConfig(
        **dataclasses.asdict(_config(state, step)),
        decoder_layers=layers,
        decoder_width=_size(state, "encoder_to_decoder.weight", 0),
        decoder_feedforward=_size(state, feedforward, 0) if layers else 1,
    )
    rules = [
        *_encoder(config.layers),
        *_layer_norm("norm", "encoder_LN"),
        _Rule("narrow.weight", ("encoder_to_decoder.weight",)),
        _Rule("positions", ("dec_pos_embedding",)),
        _Rule("temporal_padding", ("mask_token",)),
        _Rule("spatial_padding", ("spatial_mask_token",), torch.flatten),
        *_head("head.0", "head.1", "fcn_dec"),
    ]
    for index in range(layers):
        theirs = f"Transformer_dec.model.layers.{index}"
        rules += _layer(f"decoder.{index}", theirs, "feedforward.0", "feedforward.3")
    return MaskedSTMO(config), rules


def _refine(state: Mapping[str, Tensor]) -> tuple[Refine, list[_Rule]]:
    config = RefineConfig(hidden=_size(state, "post_refine.0.weight", 0))
    rules = _linear("weigh.0", "post_refine.0") + _linear("weigh.3", "post_refine.3")
    return Refine(config), rules


def _config(state: Mapping[str, Tensor], step: float) -> ModelConfig:
    return ModelConfig(
        frames=_size(state, "Transformer.pos_embedding", 1),
        layers=_depth(state, "Transformer"),
        width=_size(state, "Transformer.pos_embedding", 2),
        feedforward=_size(state, "Transformer.model.layers.0.feed_forward.w_1.weight", 0),
        heads=8,
        sem_width=_size(state, "encoder.fc_1.weight", 0),
        dropout=0.1,
        encoding="screen",
        mofa_anchor="first",
        step=step,
    )


def _depth(state: Mapping[str, Tensor], transformer: str) -> int:
    pattern = re.compile(rf"{transformer}\.model\.layers\.(\d+)\.")
    return len({match[1] for name in state if (match := pattern.match(name))})


def _size(state: Mapping[str, Tensor], name: str, axis: int) -> int:
    if name not in state:
        raise OfficialError(f"missing keys: {name}")
    if state[name].dim() <= axis:
        raise OfficialError(f"{name} has the shape {tuple(state[name].shape)}")
    return state[name].shape[axis]


def _encoder(layers: int) -> list[_Rule]:
    """SEM and TEM, which stage I and stage II share."""
    rules = [
        *_linear("sem.mlp.0", "encoder.fc_1"),
        *_batch_norm("sem.mlp.1", "encoder.bn_1"),
        *_linear("sem.mlp.4.body.0", "encoder.layers.0.w1"),
        *_batch_norm("sem.mlp.4.body.1", "encoder.layers.0.batch_norm1"),
        *_linear("sem.mlp.4.body.4", "encoder.layers.0.w2"),
        *_batch_norm("sem.mlp.4.body.5", "encoder.layers.0.batch_norm2"),
        *_linear("sem.mlp.5", "encoder.fc_2"),
        _Rule("tem.positions", ("Transformer.pos_embedding",)),
    ]
    for index in range(layers):
        theirs = f"Transformer.model.layers.{index}"
        rules += _layer(f"tem.layers.{index}", theirs, "feedforward.0", "feedforward.3")
    return rules


def _layer(ours: str, theirs: str, first: str, second: str) -> list[_Rule]:
    """Return the rules of a Transformer layer whose feed-forward maps are `first` and `second`."""
    projections = [f"{theirs}.self_attn.linears.{index}" for index in range(3)]
    reduces = second == "reduce"  # a convolution over time, not a matrix
    return [
        *_layer_norm(f"{ours}.norm_attention", f"{theirs}.sublayer.0.norm"),
        *(
            _Rule(f"{ours}.attention.qkv.{part}", tuple(f"{p}.{part}" for p in projections), _join)
            for part in ("weight", "bias")
        ),
        *_linear(f"{ours}.attention.out", f"{theirs}.self_attn.linears.3"),
        *_layer_norm(f"{ours}.norm_feedforward", f"{theirs}.sublayer.1.norm"),
        *_linear(f"{ours}.{first}", f"{theirs}.feed_forward.w_1"),
        *(_same if reduces else _linear)(f"{ours}.{second}", f"{theirs}.feed_forward.w_2"),
    ]


def _head(norm: str, linear: str, theirs: str) -> list[_Rule]:
    return [*_batch_norm(norm, f"{theirs}.0"), *_linear(linear, f"{theirs}.1")]


def _linear(ours: str, theirs: str) -> list[_Rule]:
    return [
        _Rule(f"{ours}.weight", (f"{theirs}.weight",), _as_matrix),
        _Rule(f"{ours}.bias", (f"{theirs}.bias",)),
    ]


def _same(ours: str, theirs: str, parts: Iterable[str] = ("weight", "bias")) -> list[_Rule]:
    return [_Rule(f"{ours}.{part}", (f"{theirs}.{part}",)) for part in parts]


def _batch_norm(ours: str, theirs: str) -> list[_Rule]:
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return _same(ours, theirs, ("weight", "bias", *statistics))


def _layer_norm(ours: str, theirs: str) -> list[_Rule]:
    return [
        _Rule(f"{ours}.weight", (f"{theirs}.a_2",), _fold),
        _Rule(f"{ours}.bias", (f"{theirs}.b_2",)),
    ]


def _as_matrix(weight: Tensor) -> Tensor:
    return weight.squeeze(-1) if weight.dim() == 3 else weight


def _join(*parts: Tensor) -> Tensor:
    return torch.cat(parts)


def _first(length: int) -> Callable[[Tensor], Tensor]:
    return lambda positions: positions[:, :length]


def _fold(weight: Tensor) -> Tensor:
    """Make up for the biased standard deviation of the native norm."""
    width = weight.shape[-1]
    return weight * math.sqrt((width - 1) / width)


def _fill(model: _Network, rules: list[_Rule], state: Mapping[str, Tensor]) -> _Network:
    """Give a network the weights that the rules make of a state dict.

    Raises:
        OfficialError: if keys are missing or unknown, or a shape or value does not fit.
    """
    needed = {name for rule in rules for name in rule.theirs}
    missing = sorted(needed - set(state))
    unknown = sorted(name for name in set(state) - needed if not _UNUSED.fullmatch(name))
    complaints = [
        f"{what} keys: {_listed(names)}"
        for what, names in (("missing", missing), ("unknown", unknown))
        if names
    ]
    if complaints:
        raise OfficialError("; ".join(complaints))
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    model.load_state_dict({rule.ours: _apply(rule, state, shapes[rule.ours]) for rule in rules})
    return model.eval()


def _apply(rule: _Rule, state: Mapping[str, Tensor], shape: torch.Size) -> Tensor:
    parts = [state[name] for name in rule.theirs]
    if not all(part.isfinite().all() for part in parts):
        raise OfficialError(f"values that are not finite: {_listed(rule.theirs)}")
    try:
        value = rule.convert(*parts)
    except (RuntimeError, IndexError):
        value = None
    if value is None or value.shape != shape:
        shapes = ", ".join(str(tuple(part.shape)) for part in parts)
        raise OfficialError(f"shapes that do not fit the others: {_listed(rule.theirs)}: {shapes}")
    return value


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
