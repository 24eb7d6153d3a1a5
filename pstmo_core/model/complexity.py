"""What a network costs: its parameters, and the multiply-accumulates (MACs) of one window.

Two ways of counting. *Exact*: all parameters, and the MACs of all matrix products and convolutions,
those of attention included. *The paper's* (Tables 3 to 7), which is what the counter `thop` finds
in the authors' code: parameters without positional embeddings; MACs without the products inside
attention, but with two operations a value for BatchNorm and one for LeakyReLU and for the bias of a
convolution, a layer of one tap included. The paper's FLOPs are twice these MACs; its Table 7 lists
the MACs themselves.
"""

from __future__ import annotations

import functools
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pstmo_core.encoding import input_shape
from pstmo_core.model.attention import SelfAttention, use_explicit_attention
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.mofa import StridedLayer
from pstmo_core.model.sem import ResidualBlock, linear_norm_act
from pstmo_core.model.stmo import STMO, PoseHead
from pstmo_core.model.transformer import TransformerLayer


@dataclass(frozen=True)
class Complexity:
    """Counts for one window; they can be added and subtracted."""

    parameters: int
    """All learned numbers."""
    positions: int
    """Those of them that are positional embeddings."""
    products: int
    """MACs of linear layers and convolutions."""
    attention: int
    """MACs of the products inside attention: queries by keys, weights by values."""
    elementwise: int
    """What `thop` counts beside products: BatchNorm, LeakyReLU, biases of convolutions."""

    @property
    def macs(self) -> int:
        """MACs, counted exactly."""
        return self.products + self.attention

    @property
    def paper_parameters(self) -> int:
        """Parameters as the paper counts them."""
        return self.parameters - self.positions

    @property
    def paper_macs(self) -> int:
        """MACs as the paper counts them; Tables 3 to 6 list twice that as FLOPs."""
        return self.products + self.elementwise

    def __sub__(self, other: Complexity) -> Complexity:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Complexity(*(mine - theirs for mine, theirs in pairs))


@functools.cache
def measure(config: ModelConfig, *, multi_frame_head: bool | None = None) -> Complexity:
    """Count what a stage-II network costs; nothing is computed.

    MOFA costs the same at both anchors.

    Args:
        config: the network.
        multi_frame_head: whether the all-frames head of section 3.4.2 counts, which only training
            and look-ahead need. None does as the paper: with MOFA it counts, without it does not.
    """
    with torch.device("meta"):
        network = STMO(config)
        window = torch.empty(1, config.frames, *input_shape(config.encoding))
        tokens = torch.empty(config.frames, config.width)
    whole = measure_module(network, window)
    if config.mofa if multi_frame_head is None else multi_frame_head:
        return whole
    return whole - measure_module(network.head_all, tokens)


def table_3_sem(frames: int = 243, width: int = 512) -> Complexity:
    """Count the network that Table 3's row "SEM" gives the numbers of.

    It is not the SEM of the table's other rows, but one of two blocks that is not narrowed to TEM's
    width: the network of Martinez et al., the paper's reference 31, on each frame.
    """
    with torch.device("meta"):
        blocks = (ResidualBlock(width, 0.0) for _ in range(2))
        network = nn.Sequential(*linear_norm_act(34, width, 0.0), *blocks, PoseHead(width, 3))
        return measure_module(network, torch.empty(frames, 34))


def measure_module(module: nn.Module, *inputs: Tensor) -> Complexity:
    """Count what any part of a network costs for given inputs (which may be on device `meta`).

    The part is put into evaluation mode, and its attention made explicit.
    """
    elementwise = 0

    def count(factor: int) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            nonlocal elementwise
            elementwise += factor * output.numel()

        return hook

    use_explicit_attention(module)  # the fused kernel is not counted on every device
    hooks = [part.register_forward_hook(count(n)) for part, n in _elementwise(module)]
    with FlopCounterMode(display=False) as counter:
        module.eval()(*inputs)
    for handle in hooks:
        handle.remove()
    operations = counter.get_flop_counts()["Global"]
    attention = operations.get(torch.ops.aten.bmm, 0)
    named = dict(module.named_parameters())
    return Complexity(
        parameters=sum(value.numel() for value in named.values()),
        positions=sum(value.numel() for name, value in named.items() if "positions" in name),
        products=(counter.get_total_flops() - attention) // 2,
        attention=attention // 2,
        elementwise=elementwise,
    )


def _elementwise(module: nn.Module) -> list[tuple[nn.Module, int]]:
    """Return the parts that `thop` finds operations in beside products, and how many a value.

    Linear layers outside attention and TEM are convolutions of one tap in the authors' code, and
    `thop` counts the bias of a convolution, but not of a linear layer. A strided layer stands for
    its convolution, whose output has the same size.
    """
    plain = {
        id(part)
        for layer in module.modules()
        if isinstance(layer, (SelfAttention, TransformerLayer))
        for part in layer.modules()
    }
    factors = {nn.BatchNorm1d: 2, nn.LeakyReLU: 1, nn.Linear: 1, StridedLayer: 1}
    return [
        (part, factors[type(part)])
        for part in module.modules()
        if type(part) in factors and id(part) not in plain
    ]
