"""Finds tensors that an ONNX file keeps in other files.

Such a tensor names a path and a length of its own choosing, which the library that runs the network
would open: a model file could read any file of the user's, or claim terabytes. Files of this
project and detectors' exports hold their weights themselves.
"""

from __future__ import annotations

from pstmo_core.runtime.onnx_graph import fields_of

#: The messages of onnx.proto that lead to tensors: number of a field -> message in it.
_WAYS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}  # fmt: skip
_NAME, _EXTERNAL_DATA = 8, 13
_DATA_LOCATION_EXTERNAL = b"\x70\x01"
"""The whole field data_location, number 14, with the value EXTERNAL."""
_DEEPEST = 64


def external_tensor(model: bytes) -> str | None:
    """Return the name of a tensor that is stored outside the file, None if there is none.

    Raises:
        ValueError: if it is not an ONNX file, or a broken one.
    """
    waiting = [("model", memoryview(model), 0)]
    while waiting:
        kind, content, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError(f"its graphs are nested more than {_DEEPEST} deep")
        name, outside = "", False
        for field in fields_of(content):
            if below := _WAYS[kind].get(field.number):
                waiting.append((below, field.content, depth + 1))
            elif kind == "tensor":
                outside |= field.number == _EXTERNAL_DATA or field.whole == _DATA_LOCATION_EXTERNAL
                if field.number == _NAME:
                    name = bytes(field.content).decode(errors="replace")
        if outside:
            return name
    return None
