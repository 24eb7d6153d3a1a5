"""Arrays as pickles describe them: recorded while reading, built from their bytes afterwards.

The stand-ins by which `unpickle` reads NumPy's arrays without calling what NumPy pickles ask for.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

#: Nesting that data sets stay far below; deeper is refused before Python's own limit is met.
DEEPEST = 40
#: Codes of array types: kind and item size. Records, dates and the like are in no data set.
_CODE = re.compile(r"[biufcSUO]\d{1,9}")


class ForbiddenError(Exception):
    """What a pickle does that no data set does."""


class StoredType:
    """A stored array type: numbers, truth values, text, bytes, or objects."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: Any, *_flags: Any) -> None:
        code = code.decode() if isinstance(code, bytes) else code
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            raise ValueError(f"arrays of type {code!r}")
        self._code = code
        self._order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, subarray, names, fields = state[1:5]
        if (subarray, names, fields) != (None, None, None):
            raise ValueError("arrays of records")
        order = order.decode() if isinstance(order, bytes) else order
        if order not in tuple("<>=|"):
            raise ValueError(f"byte order {order!r}")
        self._order = order

    @property
    def is_object(self) -> bool:
        """Say whether arrays of this type hold objects."""
        return self._code.startswith("O")

    def array(self, raw: Any, shape: Any, fortran: Any) -> np.ndarray:
        """Build an array of stored bytes."""
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        dtype = np.dtype(self._order + self._code)
        if dtype.itemsize == 0:
            raise ValueError("arrays of empty items")
        if len(raw) != size_of(shape) * dtype.itemsize:
            raise ValueError(f"{len(raw)} bytes for an array {shape} of {dtype}")
        return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")


class StoredArray:
    """A stored array, its content taken down and not yet built."""

    __slots__ = ("fortran", "raw", "shape", "type")

    def __init__(self) -> None:
        self.shape: Any = (0,)
        self.type = StoredType("O8")
        self.fortran: Any = False
        self.raw: Any = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.shape, self.type, self.fortran, self.raw = state[-4:]
        if not isinstance(self.type, StoredType):
            raise TypeError("an array without a type")


def size_of(shape: Any) -> int:
    """Return the number of items of an array of this shape, if it is a shape."""
    if not isinstance(shape, tuple) or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"an array of shape {shape!r}")
    return math.prod(shape)


class Resolver:
    """Puts arrays in the place of their stand-ins; what is held twice is built once."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}

    def resolve(self, value: Any, depth: int = 0) -> Any:
        """Return the value with real arrays, containers copied."""
        if isinstance(value, StoredType) or callable(value):
            raise ValueError("a type or function in the place of data")
        if not isinstance(value, (dict, list, tuple, set, frozenset, StoredArray)):
            return value
        if depth > DEEPEST:
            raise ForbiddenError(f"is nested more than {DEEPEST} deep or holds itself")
        if id(value) not in self._done:
            self._done[id(value)] = self._build(value, depth + 1)
        return self._done[id(value)]

    def _build(self, value: Any, depth: int) -> Any:
        if isinstance(value, StoredArray):
            return self._array(value, depth)
        if isinstance(value, dict):
            return {self.resolve(k, depth): self.resolve(v, depth) for k, v in value.items()}
        return type(value)(self.resolve(item, depth) for item in value)

    def _array(self, stored: StoredArray, depth: int) -> Any:
        if not stored.type.is_object:
            return stored.type.array(stored.raw, stored.shape, stored.fortran)
        items = [self.resolve(item, depth) for item in stored.raw]
        if len(items) != size_of(stored.shape):
            raise ValueError(f"{len(items)} objects for an array {stored.shape}")
        if stored.shape == ():
            return items[0]
        array = np.empty(len(items), dtype=object)
        for index, item in enumerate(items):  # one by one, lest NumPy joins those that are arrays
            array[index] = item
        return array.reshape(stored.shape, order="F" if stored.fortran else "C")
