"""Tiny ONNX files that stand for pose networks: joints lie at the brightest row and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def _save(path: Path, nodes: list, inputs: dict, outputs: dict, constants: dict) -> str:
    def infos(shapes: dict) -> list:
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]

    known = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", infos(inputs), infos(outputs), known)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return str(path)


def write_simcc(path: Path, size: tuple[int, int], joints: int) -> str:
    """Write a SimCC network of crops (width, height), two bins a pixel.

    Its likelihoods are half of the brightness of columns and rows. Each joint lies a pixel further
    to the right and down than the one before; the middle one lies where it is brightest.
    """
    width, height = size
    shifts = 2 * (np.arange(joints) - joints // 2)
    nodes, constants = [], {"half": np.float32(0.5)}
    for name, axes, length in (("x", [1, 2], width), ("y", [1, 3], height)):
        bins = np.repeat(np.arange(length), 2)
        constants[f"bins_{name}"] = np.stack([np.roll(bins, shift) for shift in shifts])
        nodes += [
            helper.make_node("ReduceMax", ["crops"], [f"line_{name}"], axes=axes, keepdims=0),
            helper.make_node("Gather", [f"line_{name}", f"bins_{name}"], [f"all_{name}"], axis=1),
            helper.make_node("Mul", [f"all_{name}", "half"], [f"simcc_{name}"]),
        ]
    return _save(
        path,
        nodes,
        {"crops": ["N", 3, height, width]},
        {"simcc_x": ["N", joints, 2 * width], "simcc_y": ["N", joints, 2 * height]},
        constants,
    )


def write_heatmaps(path: Path, size: tuple[int, int], joints: int) -> str:
    """Write a heatmap network of crops (width, height): the brightness of 4 x 4 pixels each."""
    width, height = size
    nodes = [
        helper.make_node("MaxPool", ["crops"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("ReduceMax", ["pooled"], ["level"], axes=[1], keepdims=1),
        helper.make_node("Tile", ["level", "joints"], ["maps"]),
    ]
    return _save(
        path,
        nodes,
        {"crops": ["N", 3, height, width]},
        {"maps": ["N", joints, height // 4, width // 4]},
        {"joints": np.array([1, joints, 1, 1])},
    )


def write_constant(path: Path, size: tuple[int, int], **outputs: np.ndarray) -> str:
    """Write a network of images (width, height) that always answers the same."""
    nodes = [helper.make_node("Identity", [f"c_{name}"], [name]) for name in outputs]
    return _save(
        path,
        nodes,
        {"image": [1, 3, size[1], size[0]]},
        {name: list(value.shape) for name, value in outputs.items()},
        {f"c_{name}": np.float32(value) for name, value in outputs.items()},
    )
