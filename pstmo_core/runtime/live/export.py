"""Writes a network STMO-Live as ONNX: a graph for one frame of each person, and one for several.

Both graphs use the same weights in one file. The poses of each look-ahead are an output of their
own, so that a runtime computes only those that are wanted.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from pstmo_core.atomic_files import atomic_file
from pstmo_core.encoding import input_shape
from pstmo_core.model.live.network import STMOLive
from pstmo_core.model.live.step import LiveStep
from pstmo_core.runtime.base import LIVE_KEY
from pstmo_core.runtime.live.graphs import GRAPHS, input_names, output_names_of
from pstmo_core.runtime.live.memory import LiveMemory
from pstmo_core.runtime.live.onnx import LiveOnnxRuntime
from pstmo_core.runtime.onnx_export import OPSET, TOLERANCE, ExportError

#: People, parts of a sequence and frames of a part that an exported file is compared on.
_PEOPLE, _PARTS, _FRAMES = 3, 5, max(GRAPHS.values()) + 2


class _Graphs(nn.Module):
    """The graphs of one network, see `GRAPHS`."""

    def __init__(self, network: STMOLive) -> None:
        super().__init__()
        self.parts = nn.ModuleList(LiveStep(network, frames) for frames in GRAPHS.values())
        self.inputs = len(input_names("step", network.config))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Those of each graph, one after the other."""
        outputs: list[Tensor] = []
        for index, part in enumerate(self.parts):
            outputs += part(*inputs[index * self.inputs : (index + 1) * self.inputs])
        return tuple(outputs)


def export_live(model: STMOLive, path: Path | str) -> float:
    """Write a network as ONNX, with its configuration and joint orders.

    The file is compared with torch on random frames at random times before it takes its place.

    Returns:
        The largest difference from `model` over all poses, in metres.

    Raises:
        ExportError: if that difference is above `TOLERANCE`.
    """
    path = Path(path)
    model = model.cpu().eval()
    with atomic_file(path) as partial:
        _trace(model, partial)
        graph = onnx.load(partial)
        metadata = {LIVE_KEY: model.config.to_json(), **model.trained_on.metadata()}
        onnx.helper.set_model_props(graph, metadata)
        onnx.checker.check_model(graph, full_check=True)
        onnx.save(graph, partial)
        difference = _compare(model, partial)
        if not difference <= TOLERANCE:
            raise ExportError(
                f"{path}: the exported graph differs from torch by {difference:.2g} m"
            )
    return difference


def _trace(model: STMOLive, path: Path) -> None:
    config = model.config
    example, memory = [], LiveMemory(config, 2)
    for frames in GRAPHS.values():
        dt = np.full((2, frames), 0.03, np.float32)
        shape = 2, frames, *input_shape(config.encoding)
        arrays = memory.look(np.arange(2), dt).ages, *memory.of(np.arange(2))
        example += [torch.randn(shape), *map(torch.from_numpy, arrays)]
    names = [name for graph in GRAPHS for name in input_names(graph, config)]
    outputs = [name for graph in GRAPHS for name in output_names_of(graph, config)]
    people = {name: {0: f"{name.partition('_')[0]}_people"} for name in (*names, *outputs)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in pstmo_core.runtime.onnx_export
        torch.onnx.export(
            _Graphs(model).eval(),
            tuple(example),
            str(path),
            input_names=names,
            output_names=outputs,
            dynamic_axes=people,
            opset_version=OPSET,
            dynamo=False,
        )


@torch.inference_mode()
def _compare(model: STMOLive, path: Path) -> float:
    """Compare sequences of people, in runs and in steps, of whom one is new before each part."""
    runtime, heads = LiveOnnxRuntime(path), range(len(model.config.look_aheads))
    generator = torch.Generator().manual_seed(0)
    state = torch.zeros(_PEOPLE, model.config.state_size)
    memories, rows, worst = [runtime.memory(_PEOPLE) for _ in range(2)], np.arange(_PEOPLE), 0.0
    for part in range(_PARTS):
        state[part % _PEOPLE] = 0
        shape = _PEOPLE, _FRAMES, *input_shape(model.config.encoding)
        frames = torch.randn(shape, generator=generator)
        dt = torch.rand(shape[:2], generator=generator) * 0.1
        poses, state = model.advance(frames, dt, state)
        for memory in memories:
            memory.forget(part % _PEOPLE)
        stepped = [
            runtime.read(f[:, None], t[:, None], memories[1], rows, heads)
            for f, t in zip(frames.numpy().swapaxes(0, 1), dt.numpy().T, strict=True)
        ]
        run = runtime.read(frames.numpy(), dt.numpy(), memories[0], rows, heads)
        for actual in (run, np.concatenate(stepped, 1)):
            worst = max(worst, _difference(actual, poses.numpy()))
        state = state.clone()
    return worst


def _difference(value: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(value - expected).max() / max(1.0, np.abs(expected).max()))
