"""Saves the state of a stream to a file, so that it continues bit-exactly elsewhere.

The parts of a `StreamLifter` are written one by one: arrays as they are, everything else as JSON.
Loading executes nothing and takes no sizes from the file: it fills a stream of the same network and
settings part by part, and refuses what does not fit there.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.atomic_files import atomic_file
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.streaming.lifter import StreamLifter
from pstmo_core.streaming.reading import Due

#: Bytes of a file that is read: 256 people of the largest network that a runtime takes, and more.
LARGEST_FILE = 2 << 30
_VERSION, _TREE = 1, "tree"
#: Values that wait in a stream, by the names that files have for them.
_VALUES: dict[str, type] = {
    "Due": Due, "CameraPose": CameraPose, "KeypointFrame": KeypointFrame,
}  # fmt: skip
#: What a stream is made with; who reads a file has made one with the same.
_GIVEN = ("runtime", "config", "_runtime", "_config", "camera")
_NOTHING = object()


class StateError(PstmoError):
    """A file that holds no state of a stream, or of another one."""


def save_state(lifter: StreamLifter, path: Path | str) -> None:
    """Write all that a stream knows; the write is atomic.

    Raises:
        StateError: if the stream tells people apart by itself (`Lifter` without ids).
    """
    if getattr(lifter, "_tracker", None) is not None:
        raise StateError("a tracker told people apart, and its state is not saved: give ids")
    arrays: dict[str, np.ndarray] = {}
    stream = _Writer(arrays).parts(lifter, "stream")
    tree = {"version": _VERSION, "made_with": _made_with(lifter), "stream": stream}
    with atomic_file(Path(path)) as partial, partial.open("wb") as file:
        head = np.frombuffer(json.dumps(tree).encode(), np.uint8)
        members: dict[str, Any] = {_TREE: head, **arrays}
        np.savez(file, **members)


def load_state(lifter: StreamLifter, path: Path | str) -> None:
    """Let a stream go on as the one whose state a file holds.

    Args:
        lifter: made with the same network and settings; what it knows is forgotten.
        path: a file of `save_state`.

    Raises:
        StateError: if the file cannot be read or is of another network or other settings.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise StateError(f"{path}: is larger than any state of a stream")
        with np.load(path, allow_pickle=False) as file:
            tree = json.loads(file[_TREE].tobytes())
            if tree["version"] != _VERSION or tree["made_with"] != _made_with(lifter):
                raise StateError(f"{path}: is of a stream with another network or other settings")
            _Reader(file).parts(lifter, tree["stream"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise StateError(f"{path}: holds no state of a stream ({error})") from error


def _made_with(lifter: StreamLifter) -> list[str]:
    return [lifter.runtime.config.to_json(), repr(lifter.config)]


class _Writer:
    """Collects the parts of a stream: arrays by name, the rest as a tree of plain values."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self._arrays = arrays
        self._met: set[int] = set()

    def parts(self, owner: object, place: str) -> dict[str, Any]:
        """Return the parts of an object by name."""
        self._met.add(id(owner))
        tree = {}
        for name, value in vars(owner).items():
            if (
                name not in _GIVEN
                and (node := self._node(value, f"{place}.{name}")) is not _NOTHING
            ):
                tree[name] = node
        return tree

    def _node(self, value: Any, place: str) -> Any:
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return {"plain": value}
        if isinstance(value, np.ndarray):
            self._arrays[place] = value
            return {"array": place}
        if isinstance(value, (list, tuple, deque)):
            nodes = [self._node(each, f"{place}.{n}") for n, each in enumerate(value)]
            return {"row": nodes, "tuple": isinstance(value, tuple)}
        if isinstance(value, dict):
            nodes = [self._node(each, f"{place}.{n}") for n, each in enumerate(value.values())]
            return {"keys": list(value), "row": nodes}
        if type(value).__name__ in _VALUES and dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value)]
            fields = {n: self._node(getattr(value, n), f"{place}.{n}") for n in names}
            return {"value": type(value).__name__, "fields": fields}
        frozen = dataclasses.is_dataclass(value)  # settings
        if frozen or not type(value).__module__.startswith("pstmo_core.") or id(value) in self._met:
            return _NOTHING
        return {"parts": self.parts(value, place)}


class _Reader:
    """Puts what `_Writer` collected into the parts of a stream."""

    def __init__(self, arrays: Any) -> None:
        self._arrays = arrays

    def parts(self, owner: object, tree: dict[str, Any]) -> None:
        """Set the parts of an object."""
        for name, node in tree.items():
            if name not in vars(owner):
                raise ValueError(f"{name} is not known here")
            own = getattr(owner, name)
            if "parts" in node:
                self.parts(own, node["parts"])
            elif isinstance(own, np.ndarray):
                own[...] = self._fitting(node, own)
            elif isinstance(own, (list, deque)):
                own.clear()
                own.extend(self._value(node))
            elif isinstance(own, dict):
                own.clear()
                own.update(self._value(node))
            else:
                setattr(owner, name, self._value(node))

    def _fitting(self, node: dict[str, Any], own: np.ndarray) -> np.ndarray:
        array = self._arrays[node["array"]]
        if array.shape != own.shape or array.dtype != own.dtype:
            raise ValueError(f"{node['array']} is {array.shape}, but must be {own.shape}")
        return array  # type: ignore[no-any-return]

    def _value(self, node: dict[str, Any]) -> Any:
        if "plain" in node:
            return node["plain"]
        if "array" in node:
            return self._arrays[node["array"]]
        if "value" in node:
            fields = {name: self._value(each) for name, each in node["fields"].items()}
            return _VALUES[node["value"]](**fields)
        values = [self._value(each) for each in node["row"]]
        if "keys" in node:
            return dict(zip(node["keys"], values, strict=True))
        return tuple(values) if node["tuple"] else values
