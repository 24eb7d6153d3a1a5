#!/usr/bin/env python3
"""BlazePose from TensorFlow Lite to ONNX: blazepose.py IN.tflite OUT.onnx [OUTPUT...].

Images come in as TensorFlow Lite takes them, (1, H, W, 3); inside they are (1, C, H, W). OUTPUT
names those to keep, by default all. Needs the packages numpy, onnx and tflite.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import tflite
from canonical import canonical
from half_weights import store_halves
from onnx import TensorProto, helper, numpy_helper
from tflite import ActivationFunctionType, BuiltinOperator, Padding
from tflite_graph import Operator, TfliteGraph

_FIRST = [0, 3, 1, 2]  # NHWC to NCHW
_LAST = [0, 2, 3, 1]


class Converter:
    """Writes one ONNX node or a few for each operator."""

    def __init__(self, graph: TfliteGraph) -> None:
        self._graph = graph
        self._nodes = [
            helper.make_node("Transpose", [graph.name(graph.input)], ["image"], perm=_FIRST)
        ]
        self._constants: dict[str, np.ndarray] = {}
        self._values = {graph.input: "image"}
        self._channels_first = {graph.input}
        writers: dict[int, Callable[[Operator, str], str]] = {
            BuiltinOperator.CONV_2D: self._convolution,
            BuiltinOperator.DEPTHWISE_CONV_2D: self._convolution,
            BuiltinOperator.ADD: self._sum,
            BuiltinOperator.PAD: self._pad,
            BuiltinOperator.MAX_POOL_2D: self._pool,
            BuiltinOperator.RESIZE_BILINEAR: self._resize,
            BuiltinOperator.DEPTH_TO_SPACE: self._depth_to_space,
            BuiltinOperator.LOGISTIC: self._sigmoid,
            BuiltinOperator.RESHAPE: self._reshape,
            BuiltinOperator.CONCATENATION: self._concatenation,
        }
        for operator in graph.operators:
            if operator.code != BuiltinOperator.RESHAPE:
                first = operator.inputs[0] in self._channels_first
                if first and len(graph.shape(operator.output)) == 4:
                    self._channels_first.add(operator.output)
            write = writers[operator.code]
            self._values[operator.output] = write(operator, f"value{operator.output}")

    def model(self, wanted: list[str]) -> onnx.ModelProto:
        """Return the model with some outputs, and nothing that these do not need."""
        infos = []
        for tensor in self._graph.outputs:
            name = self._graph.name(tensor)
            if wanted and name not in wanted:
                continue
            turned = tensor in self._channels_first
            kind, more = ("Transpose", {"perm": _LAST}) if turned else ("Identity", {})
            self._nodes.append(helper.make_node(kind, [self._values[tensor]], [name], **more))
            shape = self._graph.shape(tensor)
            infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        needed, nodes = {info.name for info in infos}, []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                nodes.append(node)
        source = self._graph.input
        inputs = [
            helper.make_tensor_value_info(
                self._graph.name(source), TensorProto.FLOAT, self._graph.shape(source)
            )
        ]
        constants = [
            numpy_helper.from_array(value, name)
            for name, value in self._constants.items()
            if name in needed
        ]
        graph = helper.make_graph(nodes[::-1], "blazepose", inputs, infos, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model

    def _constant(self, name: str, value: np.ndarray) -> str:
        if name not in self._constants:
            kind = np.float32 if value.dtype == np.float16 else value.dtype
            self._constants[name] = np.ascontiguousarray(value, kind)
        return name

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _activated(self, function: int, value: str) -> str:
        if function == ActivationFunctionType.NONE:
            return value
        if function == ActivationFunctionType.RELU:
            return self._add("Relu", [value], f"{value}_activated")
        assert function == ActivationFunctionType.RELU6, function
        limits = [self._constant("zero", np.float32(0)), self._constant("six", np.float32(6))]
        return self._add("Clip", [value, *limits], f"{value}_activated")

    def _convolution(self, operator: Operator, output: str) -> str:
        image, weights = operator.inputs[:2]
        depthwise = operator.code == BuiltinOperator.DEPTHWISE_CONV_2D
        options = operator.options(
            tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions
        )
        assert options.DilationHFactor() == options.DilationWFactor() == 1
        kernel = self._graph.constant(weights)
        assert kernel is not None
        kernel = kernel.transpose([3, 0, 1, 2] if depthwise else [0, 3, 1, 2])
        inputs = [self._values[image], self._constant(f"weights{weights}", kernel)]
        inputs += [
            self._constant(f"bias{bias}", self._graph.constant(bias))
            for bias in operator.inputs[2:3]
        ]
        group = self._graph.shape(image)[3] if depthwise else 1
        more = self._windows(operator, options, kernel.shape[2:])
        self._add("Conv", inputs, output, group=group, **more)
        return self._activated(options.FusedActivationFunction(), output)

    def _windows(self, operator: Operator, options: object, size: tuple[int, ...]) -> dict:
        """Return strides and padding, which TensorFlow puts rather at the end."""
        strides = (options.StrideH(), options.StrideW())
        before, after = [0, 0], [0, 0]
        if options.Padding() == Padding.SAME:
            came, left = (self._graph.shape(t)[1:3] for t in (operator.inputs[0], operator.output))
            for axis in (0, 1):
                reach = (left[axis] - 1) * strides[axis] + size[axis]
                missing = max(reach - came[axis], 0)
                before[axis], after[axis] = missing // 2, missing - missing // 2
        return {"strides": strides, "pads": before + after, "kernel_shape": list(size)}

    def _pool(self, operator: Operator, output: str) -> str:
        options = operator.options(tflite.Pool2DOptions)
        size = (options.FilterHeight(), options.FilterWidth())
        more = self._windows(operator, options, size)
        self._add("MaxPool", [self._values[operator.inputs[0]]], output, **more)
        return self._activated(options.FusedActivationFunction(), output)

    def _sum(self, operator: Operator, output: str) -> str:
        inputs = []
        for tensor in operator.inputs:
            value = self._graph.constant(tensor)
            if value is None:
                inputs.append(self._values[tensor])
            else:
                value = value.transpose(_FIRST) if value.ndim == 4 else value.reshape(-1, 1, 1)
                inputs.append(self._constant(f"summand{tensor}", value))
        self._add("Add", inputs, output)
        options = operator.options(tflite.AddOptions)
        return self._activated(options.FusedActivationFunction(), output)

    def _pad(self, operator: Operator, output: str) -> str:
        pads = self._graph.constant(operator.inputs[1])
        assert pads is not None
        name = self._constant(f"pads{output}", pads[_FIRST].T.ravel().astype(np.int64))
        return self._add("Pad", [self._values[operator.inputs[0]], name], output)

    def _resize(self, operator: Operator, output: str) -> str:
        options = operator.options(tflite.ResizeBilinearOptions)
        mode = "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        mode = "align_corners" if options.AlignCorners() else mode
        came, left = (self._graph.shape(t) for t in (operator.inputs[0], operator.output))
        scales = np.array([1, 1, left[1] / came[1], left[2] / came[2]], np.float32)
        inputs = [self._values[operator.inputs[0]], "", self._constant(f"scales{output}", scales)]
        more = {"mode": "linear", "coordinate_transformation_mode": mode}
        return self._add("Resize", inputs, output, **more)

    def _depth_to_space(self, operator: Operator, output: str) -> str:
        size = operator.options(tflite.DepthToSpaceOptions).BlockSize()
        value = self._values[operator.inputs[0]]
        return self._add("DepthToSpace", [value], output, blocksize=size, mode="DCR")

    def _sigmoid(self, operator: Operator, output: str) -> str:
        return self._add("Sigmoid", [self._values[operator.inputs[0]]], output)

    def _reshape(self, operator: Operator, output: str) -> str:
        tensor = operator.inputs[0]
        value = self._values[tensor]
        if tensor in self._channels_first:
            value = self._add("Transpose", [value], f"{output}_last", perm=_LAST)
        shape = np.array(self._graph.shape(operator.output), np.int64)
        return self._add("Reshape", [value, self._constant(f"shape{output}", shape)], output)

    def _concatenation(self, operator: Operator, output: str) -> str:
        axis = operator.options(tflite.ConcatenationOptions).Axis()
        if operator.output in self._channels_first:
            axis = _FIRST.index(axis % 4)
        return self._add("Concat", [self._values[t] for t in operator.inputs], output, axis=axis)


def main() -> None:
    """Convert one file."""
    source, target, *wanted = sys.argv[1:]
    model = Converter(TfliteGraph(Path(source))).model(wanted)
    onnx.save(canonical(store_halves(model), "blazepose"), target)


if __name__ == "__main__":
    main()
