#!/usr/bin/env python3
"""MoveNet from a TensorFlow.js graph model to ONNX: movenet.py IN.json OUT.onnx [HEIGHT WIDTH].

Without HEIGHT and WIDTH the input may have any size. Weights that are exact as halves are stored so
and made floats when the network is loaded. Needs the packages tensorflow-cpu, tf2onnx and onnx.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from canonical import canonical
from google.protobuf import json_format
from half_weights import store_halves

#: TensorFlow.js's fused operators, and the plain ones that their first step is.
_FUSED = {"_FusedConv2D": "Conv2D", "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative"}
#: Attributes that only the fused ones have.
_OF_FUSION = ("fused_ops", "num_args", "epsilon", "leakyrelu_alpha", "TArgs", "num_host_args",
              "host_args")  # fmt: skip


def read_weights(file: Path, manifest: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Read the weights, which lie one after the other, some of them quantised."""
    data, start, weights = file.read_bytes(), 0, {}
    for entry in (entry for group in manifest for entry in group["weights"]):
        stored = entry.get("quantization")
        kind = np.dtype(stored["dtype"] if stored else entry["dtype"])
        count = int(np.prod(entry["shape"]))
        values = np.frombuffer(data, kind, count, start).reshape(entry["shape"])
        start += values.nbytes
        if stored and kind != np.float16:
            values = values * stored["scale"] + stored["min"]
        weights[entry["name"]] = values.astype(entry["dtype"])
    if start != len(data):
        raise SystemExit(f"{file}: has {len(data)} bytes, but its weights are {start}")
    return weights


def graph_of(model: dict[str, Any], weights: dict[str, np.ndarray], size: list[int]) -> Any:
    """Return TensorFlow's graph: constants filled in, fused operators taken apart."""
    graph = tf.compat.v1.GraphDef()
    for node in model["modelTopology"]["node"]:
        if node["op"] == "Const":
            made = graph.node.add(op="Const", name=node["name"])
            values = weights[node["name"]]
            made.attr["dtype"].type = tf.as_dtype(values.dtype).as_datatype_enum
            made.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
        elif node["op"] in _FUSED:
            _take_apart(graph, node)
        else:
            made = graph.node.add()
            json_format.ParseDict(node, made)
            if node["op"] == "Placeholder":
                del made.attr["shape"].shape.dim[:]
                for side in (1, *size, 3):
                    made.attr["shape"].shape.dim.add().size = side
    return graph


def _take_apart(graph: Any, node: dict[str, Any]) -> None:
    """Add a fused convolution as convolution, bias and activation."""
    steps = [base64.b64decode(s).decode() for s in node["attr"]["fused_ops"]["list"]["s"]]
    assert steps[0] == "BiasAdd", steps
    first = copy.deepcopy(node)
    for name in _OF_FUSION:
        first["attr"].pop(name, None)
    first["op"] = _FUSED[node["op"]]
    if first["op"] != "Conv2D":
        first["attr"].pop("use_cudnn_on_gpu", None)
    first["name"] = f"{node['name']}/conv"
    first["input"] = node["input"][:2]
    json_format.ParseDict(first, graph.node.add())
    before = first["name"]
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        made = graph.node.add(op=step, name=node["name"] if last else f"{node['name']}/f{number}")
        made.input.append(before)
        if step == "BiasAdd":
            made.input.append(node["input"][2])
        made.attr["T"].type = tf.float32.as_datatype_enum
        before = made.name


def main() -> None:
    """Convert one model."""
    source, target = Path(sys.argv[1]), sys.argv[2]
    size = [int(side) for side in sys.argv[3:5]] or [-1, -1]
    model = json.loads(source.read_text())
    weights = read_weights(source.with_suffix(".bin"), model["weightsManifest"])
    graph = graph_of(model, weights, size)
    (image,) = (node.name for node in graph.node if node.op == "Placeholder")
    outputs = [out["name"] for out in model["signature"]["outputs"].values()]
    outputs = [name if ":" in name else f"{name}:0" for name in outputs]
    converted, _ = tf2onnx.convert.from_graph_def(
        graph, input_names=[f"{image}:0"], output_names=outputs, opset=13
    )
    onnx.save(canonical(store_halves(converted), "movenet"), target)


if __name__ == "__main__":
    main()
