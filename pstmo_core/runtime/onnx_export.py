"""Exports weights to ONNX, in graphs that ONNX Runtime and TensorRT 8.6 and later read.

The step graph runs SEM on new frames, TEM and MOFA on windows gathered from kept rows; the window
graph takes whole windows. Both compute by `pstmo_core.model.step.network`, on the same weights in
one file.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from pstmo_core.atomic_files import atomic_file
from pstmo_core.encoding import input_shape
from pstmo_core.errors import PstmoError
from pstmo_core.model.step.network import StepNetwork
from pstmo_core.model.stmo import STMO
from pstmo_core.runtime.base import (
    CONFIG_KEY,
    STEP_INPUTS,
    STEP_OUTPUTS,
    WINDOW_INPUTS,
    WINDOW_OUTPUTS,
)
from pstmo_core.runtime.onnx_graph import keep_outputs
from pstmo_core.runtime.step_inputs import step_inputs

OPSET = 17
#: Largest difference from torch with which an exported file is accepted: in metres, and of numbers
#: above 1 a share of the largest (random windows make giants of people).
TOLERANCE = 1e-4
#: The graphs that a file can hold, by their outputs.
KINDS = {
    "both": (*STEP_OUTPUTS, *WINDOW_OUTPUTS),
    "step": STEP_OUTPUTS,
    "window": WINDOW_OUTPUTS,
}
_SIZES = {
    "rows": ("fresh", "embeddings"),
    "kept": ("kept",),
    "places": ("place", "source"),
    "windows": ("index", "target_pose", "frame_pose"),
    "batch": (*WINDOW_INPUTS, *WINDOW_OUTPUTS),
}


class ExportError(PstmoError):
    """The exported graph does not compute what the network does."""


class _BothGraphs(nn.Module):
    """The step graph and the window graph of one network."""

    def __init__(self, network: StepNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Those of the step, then the windows."""
        *step, frames = inputs
        return *self.network(*step), *self.network.whole(frames)


def export_onnx(model: STMO, path: Path | str, kind: str = "both") -> float:
    """Write a network in evaluation mode as ONNX, with its configuration and joint orders.

    The file is compared with torch on random windows before it takes its place.

    Args:
        model: the network.
        path: the ONNX file to write.
        kind: a key of `KINDS`: which graphs the file holds. The runtime backends take "both";
            "step" is enough for ONNX Runtime, and "window" is the plain network for use elsewhere.

    Returns:
        The largest difference from `model` over all outputs, in metres.

    Raises:
        ExportError: if that difference is above `TOLERANCE`, or the kind is not known.
    """
    if kind not in KINDS:
        raise ExportError(f"kind is {kind!r}, but must be one of {', '.join(KINDS)}")
    path = Path(path)
    model = model.cpu().eval()
    network = StepNetwork(model)
    with atomic_file(path) as partial:
        _trace(network, partial)
        graph = onnx.load_from_string(keep_outputs(partial.read_bytes(), KINDS[kind]))
        metadata = {CONFIG_KEY: model.config.to_json(), **model.trained_on.metadata()}
        onnx.helper.set_model_props(graph, metadata)
        onnx.checker.check_model(graph, full_check=True)
        onnx.save(graph, partial)
        difference = max(_compare(model, network, partial, batch) for batch in (1, 5))
        if not difference <= TOLERANCE:
            raise ExportError(
                f"{path}: the exported graph differs from torch by {difference:.2g} m"
            )
    return difference


def _trace(network: StepNetwork, path: Path) -> None:
    example = _inputs(network, torch.randn(3, *_window_shape(network)))
    axes = {name: {0: size} for size, names in _SIZES.items() for name in names}
    with warnings.catch_warnings():
        # The newer exporter gives opset 18 where 17 is asked for, which TensorRT 8 cannot read. The
        # tracer's warnings are of sizes that a network fixes, which the graph is to hold as such.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _BothGraphs(network).eval(),
            tuple(example.values()),
            str(path),
            input_names=list(example),
            output_names=list(KINDS["both"]),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def _window_shape(network: StepNetwork) -> tuple[int, ...]:
    return network.config.frames, *input_shape(network.config.encoding)


def _inputs(network: StepNetwork, windows: Tensor) -> dict[str, Tensor]:
    """All inputs by name for windows (B, F, rows, channels); the step's last window is new."""
    count, length = windows.shape[:2]
    with torch.inference_mode():
        kept = network.embed(windows[:-1].flatten(0, 1))
    index = np.arange(count * length).reshape(count, length)
    step = step_inputs(windows[-1].numpy(), kept.numpy(), index, length - 1)
    inputs = {name: torch.from_numpy(step[name]) for name in STEP_INPUTS}
    return inputs | dict(zip(WINDOW_INPUTS, (windows,), strict=True))


@torch.inference_mode()
def _compare(model: STMO, network: StepNetwork, path: Path, batch: int) -> float:
    windows = torch.randn(batch, *_window_shape(network))
    all_frames, target = model(windows)
    expected = {"target_pose": target, "frame_pose": all_frames[:, -1]}
    expected |= dict(zip(WINDOW_OUTPUTS, (all_frames, target), strict=True))
    session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = _inputs(network, windows)
    feed = {node.name: inputs[node.name].numpy() for node in session.get_inputs()}
    names = [node.name for node in session.get_outputs() if node.name in expected]
    actual = zip(names, session.run(names, feed), strict=True)
    return max(_difference(value, expected[name].numpy()) for name, value in actual)


def _difference(value: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(value - expected).max() / max(1.0, np.abs(expected).max()))
