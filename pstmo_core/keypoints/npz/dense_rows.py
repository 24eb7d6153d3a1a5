"""Arrays of frames times people, kept in memory only where somebody was seen, written as npz."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

#: Bytes of an array that are made and compressed at a time.
_BLOCK = 1 << 24


@dataclass(frozen=True, eq=False)
class DenseRows:
    """An array (F, P, ...) that has one value outside of N rows."""

    values: np.ndarray
    """(N, ...)."""
    frames: np.ndarray
    """(N,): index of the frame; does not decrease."""
    people: np.ndarray
    """(N,): index of the person."""
    size: tuple[int, int]
    """F and P."""
    fill: float
    """What is elsewhere."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(F, P, ...)."""
        return (*self.size, *self.values.shape[1:])

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array."""
        return self.values.dtype.itemsize * math.prod(self.shape)

    def array(self) -> np.ndarray:
        """Return the whole array."""
        return self._block(0, self.size[0])

    def blocks(self) -> Iterator[np.ndarray]:
        """Go through the array in blocks of frames."""
        one = max(1, self.values[:1].nbytes or self.values.dtype.itemsize) * max(1, self.size[1])
        step = max(1, _BLOCK // one)
        for first in range(0, self.size[0], step):
            yield self._block(first, min(first + step, self.size[0]))

    def _block(self, first: int, last: int) -> np.ndarray:
        block = np.full((last - first, *self.shape[1:]), self.fill, self.values.dtype)
        rows = slice(*np.searchsorted(self.frames, [first, last]))
        block[self.frames[rows] - first, self.people[rows]] = self.values[rows]
        return block


def write_npz(file: IO[bytes], members: Mapping[str, np.ndarray | DenseRows]) -> None:
    """Write a compressed npz, as `numpy.savez_compressed` does, without making whole arrays."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for name, member in members.items():
            # A fixed time: the same arrays give the same bytes.
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as opened:
                if isinstance(member, DenseRows):
                    _write_rows(opened, member)
                else:
                    np.lib.format.write_array(opened, np.asanyarray(member), allow_pickle=False)


def _write_rows(opened: Any, rows: DenseRows) -> None:
    head = {
        "descr": np.lib.format.dtype_to_descr(rows.values.dtype),
        "fortran_order": False,
        "shape": rows.shape,
    }
    np.lib.format.write_array_header_1_0(opened, head)
    for block in rows.blocks():
        opened.write(np.ascontiguousarray(block).data.cast("B") if block.size else b"")
