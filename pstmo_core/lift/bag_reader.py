"""Opens rosbag2 bags without ROS, through the library rosbags; reads messages and their stamps."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pstmo_core.errors import PstmoError
from pstmo_core.lift import bag_messages

_SECOND = 1_000_000_000
#: Messages at the beginning of a topic among which one with a stamp is looked for.
_MOST_UNSTAMPED = 20
#: Bytes and levels of a bag's description: one of a thousand topics has 600 kB, and four levels.
_MOST_BYTES, _MOST_LEVELS = 1 << 22, 32


class BagError(PstmoError):
    """A bag that cannot be read or written; says what is wrong with it."""


def storage_of(path: Path) -> str:
    """Return how a bag is stored, by its files: mcap or sqlite3."""
    files = path.iterdir() if path.is_dir() else [path]
    return "mcap" if any(".mcap" in file.suffixes for file in files) else "sqlite3"


def messages_store() -> Any:
    """Return the types of messages that bags hold.

    Raises:
        BagError: if rosbags is not installed.
    """
    try:
        return bag_messages.typestore()
    except ImportError as error:
        raise BagError("bags need the library rosbags: pip install rosbags") from error


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a bag; whatever its libraries raise on damage becomes one sentence."""
    store = messages_store()
    from rosbags.highlevel import AnyReader

    _require_plain(path)
    try:
        with AnyReader([path], default_typestore=store) as reader:
            yield reader
    except (PstmoError, KeyboardInterrupt):
        raise
    except Exception as error:  # those of SQLite, zstd, YAML and CDR, and plain ones
        raise BagError(
            f"{path}: the bag is truncated or damaged ({type(error).__name__}: {error}); "
            "`ros2 bag reindex`, or `mcap recover` for mcap, may save it"
        ) from error


def _require_plain(path: Path) -> None:
    """Check what would hang a reader: pipes among the files, a description nested without end.

    Raises:
        BagError: if there is such a thing.
    """
    strange = [file for file in path.glob("*") if file.exists() and not file.is_file()]
    if pipe := next((file for file in strange if not file.is_dir()), None):
        raise BagError(f"{pipe}: is a device or a pipe, which no bag holds")
    description = path / "metadata.yaml"
    if not description.is_file():
        return
    size = description.stat().st_size
    if size > _MOST_BYTES or _levels(description.read_bytes()) > _MOST_LEVELS:
        raise BagError(
            f"{description}: is no description of a bag: `ros2 bag reindex` makes it again"
        )


def _levels(text: bytes) -> int:
    """Return how deep lists and mappings in brackets lie in each other."""
    deepest = level = 0
    for sign in re.findall(rb"[\[\]{}]", text):
        level += 1 if sign in b"[{" else -1
        deepest = max(deepest, level)
    return deepest


def _connections(reader: Any, topic: str) -> list[Any]:
    return [connection for connection in reader.connections if connection.topic == topic]


def message_count(reader: Any, topic: str) -> int:
    """Return how many messages of a topic an opened bag claims to hold."""
    return sum(connection.msgcount for connection in _connections(reader, topic))


def read_messages(reader: Any, topic: str) -> Iterator[tuple[int, str, Any]]:
    """Go through the messages of a topic: when each was recorded, its type, and itself."""
    connections = _connections(reader, topic)
    if not connections:
        return
    for connection, moment, data in reader.messages(connections):
        yield moment, connection.msgtype, reader.deserialize(data, connection.msgtype)


@dataclass
class MessageClock:
    """The stamps of a topic's messages; of those without one, from the time of recording."""

    offset: int
    """Nanoseconds from the time of recording to the stamp, of the first message that has one."""
    without: int = 0
    """How many of the messages that were looked at have none."""

    @classmethod
    def of(cls, reader: Any, topic: str) -> MessageClock:
        """Look for the first message that has a stamp, among those at the beginning."""
        offset = None
        clock = cls(0)
        for moment, _, message in itertools.islice(read_messages(reader, topic), _MOST_UNSTAMPED):
            stamp = _nanoseconds(message.header.stamp)
            clock.without += not stamp
            if stamp and offset is None:
                offset = stamp - moment
        clock.offset = offset or 0
        return clock

    def stamp(self, message: Any, moment: int) -> int:
        """Return a message's stamp in nanoseconds, given when it was recorded."""
        own = _nanoseconds(message.header.stamp)
        self.without += not own
        return own or moment + self.offset

    def notes(self) -> tuple[str, ...]:
        """Say how many messages had no stamp."""
        if not self.without:
            return ()
        return (
            "messages without a stamp (0): the time at which they were recorded was taken instead",
        )


def _nanoseconds(stamp: Any) -> int:
    return int(stamp.sec) * _SECOND + int(stamp.nanosec)
