"""A TensorFlow Lite model as plain operators with NumPy constants: what the converter reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from tflite import BuiltinOperator, DimensionType, TensorType

_TYPES = {
    TensorType.FLOAT32: np.float32,
    TensorType.FLOAT16: np.float16,
    TensorType.INT32: np.int32,
    TensorType.INT64: np.int64,
}
#: Operators that only unpack constants (halves, sparse weights).
_UNPACKING = (BuiltinOperator.DEQUANTIZE, BuiltinOperator.DENSIFY)


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator: tensors are numbers."""

    code: int
    inputs: list[int]
    output: int
    table: Any
    """The union of its options."""

    def options(self, kind: type) -> Any:
        """Return its options as one of tflite's classes."""
        read = kind()
        read.Init(self.table.Bytes, self.table.Pos)
        return read


class TfliteGraph:
    """The first subgraph of a file."""

    def __init__(self, path: Path) -> None:
        self._model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
        self._graph = self._model.Subgraphs(0)
        self.input = self._graph.Inputs(0)
        self.outputs = [self._graph.Outputs(n) for n in range(self._graph.OutputsLength())]
        self._constants: dict[int, np.ndarray | None] = {}
        self.operators: list[Operator] = []
        for operator in self._read_operators():
            constant = self.constant(operator.inputs[0])
            if operator.code in _UNPACKING and constant is not None:
                self._constants[operator.output] = constant
            else:
                self.operators.append(operator)

    def name(self, tensor: int) -> str:
        """Return a tensor's name."""
        return str(self._graph.Tensors(tensor).Name().decode())

    def shape(self, tensor: int) -> list[int]:
        """Return a tensor's shape; images are (1, H, W, C)."""
        return [int(side) for side in self._graph.Tensors(tensor).ShapeAsNumpy()]

    def constant(self, tensor: int) -> np.ndarray | None:
        """Return a tensor's values, None for what is computed."""
        if tensor not in self._constants:
            self._constants[tensor] = self._read_constant(tensor)
        return self._constants[tensor]

    def _read_operators(self) -> list[Operator]:
        read = []
        for number in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(number)
            code = self._model.OperatorCodes(operator.OpcodeIndex())
            read.append(
                Operator(
                    max(code.BuiltinCode(), code.DeprecatedBuiltinCode()),
                    [operator.Inputs(n) for n in range(operator.InputsLength())],
                    operator.Outputs(0),
                    operator.BuiltinOptions(),
                )
            )
        return read

    def _read_constant(self, number: int) -> np.ndarray | None:
        tensor = self._graph.Tensors(number)
        buffer = self._model.Buffers(tensor.Buffer())
        if buffer.DataLength() == 0:
            return None
        values = np.frombuffer(buffer.DataAsNumpy().tobytes(), _TYPES[tensor.Type()])
        if tensor.Sparsity() is None:
            return values.reshape(self.shape(number))
        return _dense(tensor.Sparsity(), values, self.shape(number))


def _dense(sparsity: Any, values: np.ndarray, shape: list[int]) -> np.ndarray:
    """Return sparse values in an array of some shape.

    TensorFlow Lite walks through the dimensions, and through those of blocks, in a traversal order;
    each is either dense or a list of the indices that are there.
    """
    order = sparsity.TraversalOrderAsNumpy()
    blocks = sparsity.BlockMapAsNumpy() if sparsity.BlockMapLength() else np.zeros(0, int)
    # One row for each value so far: the index along each walked dimension, and the position.
    indices, position = np.zeros((1, 0), int), np.zeros(1, int)
    sizes = []
    for level in range(sparsity.DimMetadataLength()):
        dimension = sparsity.DimMetadata(level)
        if dimension.Format() == DimensionType.DENSE:
            size = dimension.DenseSize()
            here = np.tile(np.arange(size), len(position))
            parent = np.repeat(np.arange(len(position)), size)
            position = np.repeat(position, size) * size + here
        else:
            starts = _integers(dimension.ArraySegmentsType(), dimension.ArraySegments())
            listed = _integers(dimension.ArrayIndicesType(), dimension.ArrayIndices())
            counts = starts[position + 1] - starts[position]
            parent = np.repeat(np.arange(len(position)), counts)
            first = np.cumsum(counts) - counts
            position = np.arange(counts.sum()) - first[parent] + starts[position][parent]
            here, size = listed[position], 0
        indices = np.concatenate([indices[parent], here[:, None]], 1)
        sizes.append(size)
    walked = {int(dimension): indices[:, level] for level, dimension in enumerate(order)}
    full = [walked[n] for n in range(len(shape))]
    for n, dimension in enumerate(blocks):
        size = sizes[int(np.flatnonzero(order == len(shape) + n)[0])]
        full[dimension] = full[dimension] * size + walked[len(shape) + n]
    dense = np.zeros(shape, values.dtype)
    dense[tuple(full)] = values[position]
    return dense


def _integers(kind: int, table: Any) -> np.ndarray:
    read = (None, tflite.Int32Vector, tflite.Uint16Vector, tflite.Uint8Vector)[kind]()
    read.Init(table.Bytes, table.Pos)
    return np.asarray(read.ValuesAsNumpy()).astype(int)
