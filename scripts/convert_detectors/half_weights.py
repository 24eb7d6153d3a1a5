"""Stores the weights of an ONNX file in half the space where that loses nothing."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: Fewer values than this are not worth a conversion.
_WORTH_HALVING = 256


def store_halves(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store weights that are exact as halves so, each with the node that makes it a float."""
    graph = model.graph
    kept, casts = [], []
    for constant in graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype == np.float32 and values.size > _WORTH_HALVING:
            half = values.astype(np.float16)
            if np.array_equal(half.astype(np.float32), values):
                name = f"{constant.name}_h"
                casts.append(
                    helper.make_node("Cast", [name], [constant.name], to=TensorProto.FLOAT)
                )
                constant = numpy_helper.from_array(half, name)
        kept.append(constant)
    nodes = [*casts, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model
