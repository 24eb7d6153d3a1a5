"""Extracts one of the graphs in an ONNX file, without the package onnx.

One file of `pstmo export` holds several graphs on the same weights. ONNX Runtime and TensorRT
compute all outputs of a file, so the nodes that a backend does not need are removed first. A file
is a protocol buffer, a sequence of fields that each have a number, a type and a content; fields
that do not matter here are copied unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

# Numbers of fields in onnx.proto.
_MODEL_GRAPH, _MODEL_METADATA = 7, 14
_KEY, _VALUE = 1, 2
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 1, 5, 11, 12, 13
_NODE_INPUT, _NODE_OUTPUT = 1, 2
_NAME = {_INITIALIZER: 8, _INPUT: 1, _OUTPUT: 1}
_BYTES_KIND = 2


class Field(NamedTuple):
    """A field of a protocol buffer."""

    number: int
    content: memoryview
    """What it holds; of a number, nothing."""
    whole: memoryview
    """The same with its head."""


def output_names(model: bytes) -> list[str]:
    """Return the names of a file's outputs.

    Raises:
        ValueError: if it is not an ONNX file, or a broken one.
    """
    fields = list(fields_of(_graph(list(fields_of(memoryview(model))))))
    return [_name(field) for field in fields if field.number == _OUTPUT]


def metadata(model: bytes) -> dict[str, str]:
    """Return a file's metadata; raises as `output_names`."""
    entries = (f for f in fields_of(memoryview(model)) if f.number == _MODEL_METADATA)
    pairs = ({f.number: _text(f) for f in fields_of(entry.content)} for entry in entries)
    return {pair.get(_KEY, ""): pair.get(_VALUE, "") for pair in pairs}


def keep_outputs(model: bytes, outputs: Iterable[str]) -> bytes:
    """Return an ONNX file that computes some outputs of another one, and nothing else.

    Raises:
        ValueError: if it is not an ONNX file, a broken one, or has no such outputs.
    """
    fields = list(fields_of(memoryview(model)))
    graph = list(fields_of(_graph(fields)))
    wanted = set(outputs)
    kept = []
    if missing := wanted - {_name(field) for field in graph if field.number == _OUTPUT}:
        raise ValueError(f"it has no output {', '.join(sorted(missing))}")
    needed = set(wanted)
    for field in reversed(graph):  # nodes are sorted: what one reads was written before it
        if field.number == _NODE:
            names = list(fields_of(field.content))
            if needed.isdisjoint(_text(f) for f in names if f.number == _NODE_OUTPUT):
                continue
            needed.update(_text(f) for f in names if f.number == _NODE_INPUT)
        kept.append(field)
    kept.reverse()
    rest = b"".join(field.whole for field in kept if _stays(field, wanted, needed))
    head = _head(_MODEL_GRAPH, len(rest))
    return b"".join(f.whole for f in fields if f.number != _MODEL_GRAPH) + head + rest


def _stays(field: Field, outputs: set[str], needed: set[str]) -> bool:
    if field.number == _VALUE_INFO:
        return False
    if field.number == _OUTPUT:
        return _name(field) in outputs
    return field.number not in _NAME or _name(field) in needed


def _graph(model: list[Field]) -> memoryview:
    for field in model:
        if field.number == _MODEL_GRAPH:
            return field.content
    raise ValueError("it has no graph")


def _name(field: Field) -> str:
    names = [f for f in fields_of(field.content) if f.number == _NAME[field.number]]
    return _text(names[0]) if names else ""


def _text(field: Field) -> str:
    return bytes(field.content).decode()


def fields_of(message: memoryview) -> Iterator[Field]:
    """Go through the fields of a message.

    Raises:
        ValueError: if it ends too early, or cannot be one.
    """
    position = 0
    while position < len(message):
        start = position
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        begin = position
        if kind == 0:
            begin = position = _varint(message, position)[1]
        elif kind == _BYTES_KIND:
            length, begin = _varint(message, position)
            position = begin + length
        elif kind in (1, 5):
            begin = position = position + (8 if kind == 1 else 4)
        else:
            raise ValueError("it is not a protocol buffer")
        if position > len(message):
            raise ValueError("it ends too early")
        yield Field(number, message[begin:position], message[start:position])


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("it ends too early")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("it is not a protocol buffer")


def _head(number: int, length: int) -> bytes:
    head = bytearray([number << 3 | _BYTES_KIND])
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head)
