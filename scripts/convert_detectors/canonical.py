"""Makes of equal ONNX models equal bytes.

tf2onnx orders nodes and numbers tensors differently from run to run. Here nodes come in the order
in which the outputs need them, and tensors are numbered in that order.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper


def canonical(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Return a model of some name with the same inputs, outputs and computation."""
    graph = model.graph
    made_by = {output: node for node in graph.node for output in node.output}
    constants = {constant.name: constant for constant in graph.initializer}
    fixed = {info.name for info in (*graph.input, *graph.output)} | {""}
    nodes: list[onnx.NodeProto] = []
    kept: list[TensorProto] = []
    names = {known: known for known in fixed}

    def visit(tensor: str) -> None:
        if tensor in constants and tensor not in names:
            names[tensor] = f"weights{len(kept)}"
            kept.append(constants[tensor])
        node = made_by.pop(tensor, None)
        if node is None:
            return
        for output in node.output:
            made_by.pop(output, None)
        for tensor in node.input:
            visit(tensor)
        for output in node.output:
            names.setdefault(output, f"value{len(nodes)}_{len(names)}")
        nodes.append(node)

    for info in graph.output:
        visit(info.name)
    for number, node in enumerate(nodes):
        inputs, outputs = [names[i] for i in node.input], [names[o] for o in node.output]
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        nodes[number] = helper.make_node(node.op_type, inputs, outputs, domain=node.domain)
        nodes[number].attribute.extend(attributes)
    for constant in kept:
        constant.name = names[constant.name]
    inputs, outputs = ([_sized(info) for info in infos] for infos in (graph.input, graph.output))
    made = helper.make_graph(nodes, name, inputs, outputs, kept)
    opset = next(entry.version for entry in model.opset_import if not entry.domain)
    clean = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])
    clean.ir_version = 8
    onnx.checker.check_model(clean)
    return clean


def _sized(info: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """Return an input or output whose sides without a fixed size are named by their number."""
    for number, side in enumerate(info.type.tensor_type.shape.dim):
        if not side.HasField("dim_value"):
            side.dim_param = f"side{number}"
    return info
