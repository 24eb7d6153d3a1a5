"""Reads npz files that hold pickled objects without running anything in them.

Pose data sets are distributed as npz files of nested dictionaries, which NumPy stores by pickle;
`numpy.load(allow_pickle=True)` runs whatever such a file asks for. Here a pickle may name only the
few functions that NumPy stores arrays with, and even these are not called: stand-ins take their
arguments down, and arrays are built from the stored bytes afterwards, sizes and types checked.
(NumPy's own would let a file describe a type that reads its bytes as addresses.)
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.npz.bounded import NpzError, require_size
from pstmo_core.keypoints.npz.stored_arrays import (
    ForbiddenError,
    Resolver,
    StoredArray,
    StoredType,
)

_ZIP = b"PK\x03\x04"
#: Bytes of a data set's file: ten times the largest in circulation.
MOST_BYTES = 64 << 30
_DAMAGED = "is truncated or damaged ({}): copy or download it again"


class UnpickleError(PstmoError):
    """A file that cannot be read as an npz of arrays and plain containers."""


class HostileFileError(UnpickleError):
    """A file that asks to run or to make what no data set needs; nothing of it was run."""


def read_npz(path: Path | str, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """Read all entries of an npz file, pickled ones too, without running anything in it.

    Args:
        path: the file.
        most_bytes: what all its entries may hold.

    Returns:
        Key -> array; or, where the file holds one pickled object, that object: made of dict, list,
        tuple, set, text, bytes, numbers and arrays (which may be read-only).

    Raises:
        HostileFileError: if a pickle in it names a function or class that data have no use for.
        UnpickleError: if the file is missing, truncated, damaged, not an npz or too large.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.read(4) != _ZIP:
                raise UnpickleError(
                    f"{path}: is not an npz file, or its beginning is lost: check the path, or "
                    "download it again"
                )
            require_size(file, most_bytes)
            with zipfile.ZipFile(file) as archive:
                return {
                    name.removesuffix(".npy"): _read_entry(archive, name, f"{path}: {name!r}")
                    for name in archive.namelist()
                }
    except UnpickleError:
        raise
    except NpzError as error:
        raise UnpickleError(f"{path}: {error}") from error
    except OSError as error:
        raise UnpickleError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged zip makes its reader raise nearly anything
        raise UnpickleError(f"{path}: {_DAMAGED.format(_brief(error))}") from error


def _read_entry(archive: zipfile.ZipFile, name: str, where: str) -> Any:
    if not name.endswith(".npy"):
        raise UnpickleError(f"{where} is not an array: the file is a zip archive, but not an npz")
    with archive.open(name) as file:
        dtype = _read_dtype(file, where)
        if dtype.kind == "O":
            value = load_pickle(file, where)
        elif dtype.hasobject:
            raise UnpickleError(f"{where} holds objects within records: no data set needs that")
        else:
            file.seek(0)
            value = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):  # reading to the end makes the zip reader check its sum, too
            raise UnpickleError(f"{where} goes on after its array: copy or download the file again")
        return value


def _read_dtype(file: IO[bytes], where: str) -> np.dtype:
    """Read the type from the head of an npy stream, which is left at the content's beginning."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)[2]
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)[2]
    raise UnpickleError(f"{where} is of npy version {version}, which no data set uses")


def load_pickle(file: IO[bytes], where: str) -> Any:
    """Read one pickle, made of arrays and plain containers, without running anything in it.

    Args:
        file: the stream, at the pickle's beginning.
        where: file and key, for errors.

    Raises:
        HostileFileError: if it names a function or class that data have no use for.
        UnpickleError: if it is truncated, damaged, or nested without end.
    """
    try:
        return Resolver().resolve(_Unpickler(file).load())
    except ForbiddenError as error:
        raise HostileFileError(
            f"{where} {error}, which data have no use for: nothing of it was run; do not use this "
            "file, and get it from a source that you trust"
        ) from error
    except OSError as error:
        raise UnpickleError(f"{where} cannot be read ({error.strerror or error})") from error
    except Exception as error:  # the bytes decide what a damaged pickle makes its reader raise
        raise UnpickleError(f"{where} {_DAMAGED.format(_brief(error))}") from error


def _brief(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


class _Unpickler(pickle._Unpickler):
    """An unpickler whose every global is a stand-in.

    Its base is the implementation in Python: ten bytes can make the one in C fill gigabytes of
    memory, because its memo table grows to any index that a file names. Data sets need few
    operations on large arrays, so Python is as fast.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="latin1")  # how NumPy's arrays come out of Python 2

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of a global, or refuse it by name."""
        allowed = _ALLOWED.get((module.replace("numpy.core.", "numpy._core."), name))
        if allowed is None:
            raise ForbiddenError(f"asks for {module}.{name}")
        return allowed

    def persistent_load(self, pid: object) -> Any:
        """Refuse what a pickle would take from elsewhere."""
        raise ForbiddenError(f"refers to an object outside of itself ({pid!r})")


class _StandIn:
    """What a pickle gets for a global: it can be called and not be changed."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *args: Any) -> Any:
        return self._make(*args)

    def __setstate__(self, state: object) -> None:
        raise ForbiddenError(f"asks to change the function {self._make.__name__}")


def _reconstruct(*_args: Any) -> StoredArray:
    return StoredArray()


def _scalar(kind: StoredType, raw: Any) -> Any:
    return kind.array(raw, (), False)[()]


def _from_buffer(raw: Any, kind: StoredType, shape: Any, order: str) -> np.ndarray:
    if not isinstance(raw, (bytes, bytearray)):
        raise TypeError("an array without bytes")
    return kind.array(raw, shape, order == "F")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise ValueError(f"bytes encoded as {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


def _ordered(pairs: Any = ()) -> dict:
    return dict(OrderedDict(pairs))


def _marker() -> None:
    raise ValueError("an array that is made by calling its type")


_MULTIARRAY = "numpy._core.multiarray"
#: What NumPy 1 and 2 store arrays with, in pickles of protocol 2 to 5, and containers that have no
#: opcode of their own.
_ALLOWED: dict[tuple[str, str], _StandIn] = {
    ("numpy", "ndarray"): _StandIn(_marker),
    ("numpy", "dtype"): _StandIn(StoredType),
    (_MULTIARRAY, "_reconstruct"): _StandIn(_reconstruct),
    (_MULTIARRAY, "scalar"): _StandIn(_scalar),
    ("numpy._core.numeric", "_frombuffer"): _StandIn(_from_buffer),
    ("_codecs", "encode"): _StandIn(_encode),
    ("collections", "OrderedDict"): _StandIn(_ordered),
    **{
        (module, name): _StandIn(make)
        for module in ("builtins", "__builtin__")  # of Python 3 and 2
        for name, make in (("set", set), ("frozenset", frozenset), ("bytes", _no_bytes))
    },
}
