"""Weights to ONNX: one graph that ONNX Runtime and TensorRT 8.6 and later read."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

from pstmo_core.encoding import input_shape
from pstmo_core.model.attention import use_explicit_attention
from pstmo_core.model.stmo import STMO
from pstmo_core.runtime.onnx import CONFIG_KEY, INPUT, OUTPUTS, OnnxRuntime

OPSET = 17
#: Largest difference from torch, in metres, with which an exported file is accepted.
TOLERANCE = 1e-4


class ExportError(RuntimeError):
    """The exported graph does not compute what the network does."""


def export_onnx(model: STMO, path: Path | str) -> float:
    """Write a model in evaluation mode as ONNX, with its configuration, for any batch size.

    The file is compared with torch on random windows before it takes its place.

    Returns:
        The largest difference from torch over all outputs, in metres.

    Raises:
        ExportError: if that difference is above `TOLERANCE`.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    model = model.cpu().eval()
    example = torch.randn(3, model.config.frames, *input_shape(model.config.encoding))
    use_explicit_attention(model)
    try:
        with warnings.catch_warnings():
            # The newer exporter gives opset 18 where 17 is asked for, which TensorRT 8 cannot read.
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.onnx.export(
                model,
                (example,),
                str(partial),
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_axes={name: {0: "batch"} for name in (INPUT, *OUTPUTS)},
                opset_version=OPSET,
                dynamo=False,
            )
    finally:
        use_explicit_attention(model, False)
    graph = onnx.load(partial)
    onnx.helper.set_model_props(graph, {CONFIG_KEY: model.config.to_json()})
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, partial)
    difference = max(_compare(model, partial, batch) for batch in (1, 5))
    if difference > TOLERANCE:
        partial.unlink()
        raise ExportError(f"the exported graph differs from torch by {difference:.2g} m")
    os.replace(partial, path)
    return difference


@torch.inference_mode()
def _compare(model: STMO, path: Path, batch: int) -> float:
    frames = torch.randn(batch, model.config.frames, *input_shape(model.config.encoding))
    expected = model(frames)
    actual = OnnxRuntime(path).infer(frames.numpy())
    return max(float(np.abs(a - e.numpy()).max()) for a, e in zip(actual, expected, strict=True))
