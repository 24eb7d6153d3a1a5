"""The authors' networks, written after their formulas in double precision.

`Reference` computes from weights under their names what their code computes, so that only the
rounding of the network under test shows; `random_state` makes such weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from pstmo_core.model.config import STRIDES

State = dict[str, Tensor]
HEADS = 8


class Reference:
    """The formulas of the authors' networks on a state dict with their names."""

    def __init__(self, state: State) -> None:
        self.state = {name: value.double() for name, value in without_prefix(state).items()}

    def stage_two(self, poses: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F, 17, 2) -> all frames (B, F, 17, 3) and the target (B, 17, 3)."""
        poses = poses.double()
        batch, frames = poses.shape[:2]
        tokens = self.sem(poses) + self.state["Transformer.pos_embedding"]
        tokens = self.transformer("Transformer", tokens)
        all_frames = self.head("fcn_1", tokens).view(batch, frames, 17, 3)
        for index, stride in enumerate(STRIDES[frames]):
            if index < 3:
                name = f"Transformer_reduce.model.pos_embedding_{index + 1}"
                tokens = tokens + self.state[name][:, : tokens.shape[1]]
            tokens = self.strided(f"Transformer_reduce.model.layers.{index}", tokens, stride)
        return all_frames, self.head("fcn", tokens).view(batch, 17, 3)

    def stage_one(self, poses: Tensor, temporal: Tensor, spatial: Tensor) -> Tensor:
        """(B, F, 17, 2), masks (F,) and (F, 17) -> (B, F, 17, 2) in temporal order."""
        batch, frames = poses.shape[:2]
        poses = poses.double()
        poses[:, spatial] = self.state["spatial_mask_token"]
        tokens = (self.sem(poses) + self.state["Transformer.pos_embedding"])[:, ~temporal]
        tokens = self.norm("encoder_LN", self.transformer("Transformer", tokens))
        tokens = tokens @ self.state["encoder_to_decoder.weight"].T
        positions = self.state["dec_pos_embedding"].expand(batch, -1, -1)
        padded = self.state["mask_token"] + positions[:, temporal]
        tokens = torch.cat([tokens + positions[:, ~temporal], padded], dim=1)
        poses = self.head("fcn_dec", self.transformer("Transformer_dec", tokens))
        restored = tokens.new_empty(batch, frames, 34)
        restored[:, ~temporal] = poses[:, : int((~temporal).sum())]
        restored[:, temporal] = poses[:, int((~temporal).sum()) :]
        return restored.view(batch, frames, 17, 2)

    def refine(self, lifted: Tensor, projected: Tensor) -> Tensor:
        lifted, projected = lifted.double(), projected.double()
        both = torch.cat([lifted, projected], dim=2).reshape(-1, 102)
        weight = self.linear("post_refine.3", self.linear("post_refine.0", both).relu())
        weight = weight.sigmoid().view(-1, 17, 2)
        blend = weight * lifted[..., :2] + (1 - weight) * projected[..., :2]
        return torch.cat([blend, lifted[..., 2:]], dim=2)

    def sem(self, poses: Tensor) -> Tensor:
        def block(x: Tensor, linear: str, norm: str) -> Tensor:
            x = self.linear(f"encoder.{linear}", x)
            return functional.leaky_relu(self.batch_norm(f"encoder.{norm}", x), 0.2)

        x = block(poses.flatten(2), "fc_1", "bn_1")
        inner = block(x, "layers.0.w1", "layers.0.batch_norm1")
        x = x + block(inner, "layers.0.w2", "layers.0.batch_norm2")
        return self.linear("encoder.fc_2", x)

    def transformer(self, name: str, x: Tensor) -> Tensor:
        index = 0
        while f"{name}.model.layers.{index}.sublayer.0.norm.a_2" in self.state:
            layer = f"{name}.model.layers.{index}"
            x = x + self.attention(layer, self.norm(f"{layer}.sublayer.0.norm", x))
            hidden = self.norm(f"{layer}.sublayer.1.norm", x)
            hidden = self.linear(f"{layer}.feed_forward.w_1", hidden).relu()
            x = x + self.linear(f"{layer}.feed_forward.w_2", hidden)
            index += 1
        return x

    def strided(self, layer: str, x: Tensor, stride: int) -> Tensor:
        x = x + self.attention(layer, self.norm(f"{layer}.sublayer.0.norm", x))
        hidden = self.norm(f"{layer}.sublayer.1.norm", x)
        hidden = self.linear(f"{layer}.feed_forward.w_1", hidden).relu()
        weight, bias = (self.state[f"{layer}.feed_forward.w_2.{p}"] for p in ("weight", "bias"))
        hidden = functional.conv1d(hidden.transpose(1, 2), weight, bias, stride, padding=1)
        skipped = functional.max_pool1d(x.transpose(1, 2), 1, stride)
        return (skipped + hidden).transpose(1, 2)

    def attention(self, layer: str, x: Tensor) -> Tensor:
        names = [f"{layer}.self_attn.linears.{index}" for index in range(4)]
        split = [self.linear(name, x).unflatten(2, (HEADS, -1)) for name in names[:3]]
        query, key, value = split
        scores = torch.einsum("bihc,bjhc->bhij", query, key) / query.shape[-1] ** 0.5
        mixed = torch.einsum("bhij,bjhc->bihc", scores.softmax(-1), value)
        return self.linear(names[3], mixed.flatten(2))

    def norm(self, name: str, x: Tensor) -> Tensor:
        deviation = x.std(dim=-1, unbiased=True, keepdim=True) + 1e-6
        centred = (x - x.mean(dim=-1, keepdim=True)) / deviation
        return self.state[f"{name}.a_2"] * centred + self.state[f"{name}.b_2"]

    def head(self, name: str, tokens: Tensor) -> Tensor:
        return self.linear(f"{name}.1", self.batch_norm(f"{name}.0", tokens))

    def batch_norm(self, name: str, x: Tensor) -> Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (self.state[f"{name}.{part}"] for part in parts)
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    def linear(self, name: str, x: Tensor) -> Tensor:
        weight = self.state[f"{name}.weight"]
        return x @ weight.flatten(1).T + self.state[f"{name}.bias"]


class Shapes:
    """Names and shapes of the authors' weights for a network's size."""

    def __init__(self, frames: int, layers: int, width: int, hidden: int) -> None:
        self.frames, self.layers, self.width, self.hidden = frames, layers, width, hidden

    def stage_two(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from self.encoder()
        reduce = "Transformer_reduce.model"
        for index in range(len(STRIDES[self.frames])):
            layer = f"{reduce}.layers.{index}"
            yield from self.layer(layer, self.width, self.hidden, (1,), (3,))
        for index in (1, 2, 3):
            yield f"{reduce}.pos_embedding_{index}", (1, self.frames, self.width)
        yield from self.norm(f"{reduce}.norm", self.width)
        for head in ("fcn", "fcn_1"):
            yield from self.batch_norm(f"{head}.0", self.width)
            yield from self.linear(f"{head}.1", self.width, 51, 1)

    def stage_one(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from self.encoder()
        half = self.width // 2
        for index in range(self.layers - 1):
            layer = f"Transformer_dec.model.layers.{index}"
            yield from self.layer(layer, half, self.hidden // 2)
        yield from self.norm("Transformer_dec.model.norm", half)
        yield "encoder_to_decoder.weight", (half, self.width)
        yield from self.norm("encoder_LN", self.width)
        yield from self.batch_norm("fcn_dec.0", half)
        yield from self.linear("fcn_dec.1", half, 34, 1)
        yield "dec_pos_embedding", (1, self.frames, half)
        yield "mask_token", (1, 1, half)
        yield "spatial_mask_token", (1, 1, 2)

    def refine(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from self.linear("post_refine.0", 102, self.hidden)
        yield from self.linear("post_refine.3", self.hidden, 34)

    def encoder(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        wide = 2 * self.width
        yield from self.linear("encoder.fc_1", 34, wide, 1)
        yield from self.batch_norm("encoder.bn_1", wide)
        for index in (1, 2):
            yield from self.linear(f"encoder.layers.0.w{index}", wide, wide, 1)
            yield from self.batch_norm(f"encoder.layers.0.batch_norm{index}", wide)
        yield from self.linear("encoder.fc_2", wide, self.width, 1)
        yield "Transformer.pos_embedding", (1, self.frames, self.width)
        for index in range(self.layers):
            yield from self.layer(f"Transformer.model.layers.{index}", self.width, self.hidden)
        yield from self.norm("Transformer.model.norm", self.width)

    def layer(
        self,
        name: str,
        width: int,
        hidden: int,
        first: tuple[int, ...] = (),
        second: tuple[int, ...] = (),
    ) -> Iterator[tuple[str, tuple[int, ...]]]:
        for index in range(4):
            yield from self.linear(f"{name}.self_attn.linears.{index}", width, width)
        yield from self.linear(f"{name}.feed_forward.w_1", width, hidden, *first)
        yield from self.linear(f"{name}.feed_forward.w_2", hidden, width, *second)
        for index in (0, 1):
            yield from self.norm(f"{name}.sublayer.{index}.norm", width)

    @staticmethod
    def linear(name: str, inputs: int, outputs: int, *kernel: int) -> Iterator[tuple[str, tuple]]:
        yield f"{name}.weight", (outputs, inputs, *kernel)
        yield f"{name}.bias", (outputs,)

    @staticmethod
    def norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.a_2", (width,)
        yield f"{name}.b_2", (width,)

    @staticmethod
    def batch_norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"{name}.{part}", (width,)
        yield f"{name}.num_batches_tracked", ()


def random_state(
    kind: str, frames: int = 27, layers: int = 3, width: int = 32, hidden: int = 48
) -> State:
    """Weights as they may be after training: statistics and norms moved from where they began."""
    generator = torch.Generator().manual_seed(frames + layers)

    def draw(name: str, shape: tuple[int, ...]) -> Tensor:
        noise = torch.randn(shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            return torch.tensor(7)
        if name.endswith(("running_var", "a_2")) or (len(shape) == 1 and name.endswith("weight")):
            return 1 + 0.5 * noise.tanh()
        if name.endswith("weight"):
            return 0.6 * noise / noise[0].numel() ** 0.5
        return noise if "embedding" in name or "token" in name else 0.2 * noise

    shapes = getattr(Shapes(frames, layers, width, hidden), kind)()
    return {f"module.{name}": draw(name, shape) for name, shape in shapes}


def random_poses(frames: int) -> Tensor:
    generator = torch.Generator().manual_seed(frames)
    return torch.rand(2, frames, 17, 2, generator=generator) * 2 - 1


def without_prefix(state: State) -> State:
    return {name.removeprefix("module."): value for name, value in state.items()}
