"""Skeletons as rosbag2 bags."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.atomic_files import atomic_folder
from pstmo_core.lift.bag_messages import SKELETONS
from pstmo_core.lift.bag_reader import BagError, messages_store, opened
from pstmo_core.streaming.lift_clip import Prediction

_TOPIC = "/skeletons"
_SECOND = 1_000_000_000
_END = 2**31 * _SECOND


def write_bag(
    path: Path, lifted: Prediction, storage: str, frame_id: str, look_ahead: int
) -> list[Path]:
    """Write skeletons as a bag with one topic, `/skeletons`, one message per frame at its stamp.

    Args:
        path: the bag's folder, written atomically; a bag of skeletons that this function wrote
            before is replaced, and nothing else.
        lifted: the skeletons.
        storage: one of `STORAGES`.
        frame_id: the camera's optical frame.
        look_ahead: nanoseconds by which the newest input that was used is later.

    Raises:
        BagError: if rosbags is not installed, or ROS has no such stamps.
        OutputError: if something else is there.
    """
    store = messages_store()
    from rosbags.rosbag2 import StoragePlugin, Writer

    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    stamps = lifted.stamps
    if len(stamps) and not 0 <= stamps.min() <= stamps.max() < _END:
        raise BagError(
            f"{path}: a bag holds stamps from 1970 to 2038, but the recording's lie outside: write "
            "npz or JSON"
        )
    newest = newest_stamps(stamps, look_ahead).tolist()
    with (
        _of_storage(path),
        atomic_folder(path, is_skeleton_bag) as partial,
        Writer(partial, version=8, storage_plugin=plugin) as writer,
    ):
        connection = writer.add_connection(_TOPIC, SKELETONS, typestore=store)
        for row in np.sort(np.unique(stamps, return_index=True)[1]).tolist():
            message = _skeletons(store.types, lifted, row, newest[row], frame_id)
            data = store.serialize_cdr(message, SKELETONS)
            writer.write(connection, int(stamps[row]), data)
    return [path]


@contextlib.contextmanager
def _of_storage(path: Path) -> Iterator[None]:
    """Have what SQLite says of a disk that took no more be a sentence."""
    try:
        yield
    except sqlite3.Error as error:
        raise BagError(f"{path}: cannot be written ({error})") from error


def is_skeleton_bag(folder: Path) -> bool:
    """Tell a bag as `write_bag` writes it, with nothing else in its folder, from other folders."""
    try:
        with opened(folder) as reader:
            topics = {(connection.topic, connection.msgtype) for connection in reader.connections}
    except BagError:
        return False
    suffixes = sorted(entry.suffix for entry in folder.iterdir())
    return topics == {(_TOPIC, SKELETONS)} and suffixes in ([".db3", ".yaml"], [".mcap", ".yaml"])


def newest_stamps(stamps: np.ndarray, look_ahead: int) -> np.ndarray:
    """Return the stamp (F,) of the newest input that each frame (F,) had to wait for."""
    newest = np.maximum.accumulate(stamps)
    rows = np.searchsorted(newest, stamps + look_ahead)
    return newest[np.minimum(rows, len(stamps) - 1)]


def _skeletons(types: Any, lifted: Prediction, row: int, newest: int, frame_id: str) -> Any:
    time = types["builtin_interfaces/msg/Time"]
    stamp = int(lifted.stamps[row])
    return types[SKELETONS](
        header=types["std_msgs/msg/Header"](
            stamp=time(sec=stamp // _SECOND, nanosec=stamp % _SECOND), frame_id=frame_id
        ),
        newest_stamp=time(sec=newest // _SECOND, nanosec=newest % _SECOND),
        layout="h36m17",
        people=[_skeleton(types, lifted, skeleton) for skeleton in lifted.rows(row)],
    )


def _skeleton(types: Any, lifted: Prediction, row: int) -> Any:
    bodies = lifted.bodies
    x, y, z = bodies.roots[row].tolist()
    return types["pstmo_ros/msg/Skeleton3D"](
        id=lifted.ids[int(lifted.people[row])],
        joints=bodies.joints[row].reshape(-1),
        confidence=bodies.confidence[row],
        sigma=bodies.sigma[row] if lifted.says_sigma else np.zeros(0, np.float32),
        observed=float(bodies.observed[row]),
        root=types["geometry_msgs/msg/Point"](x=x, y=y, z=z),
        root_source=int(bodies.root_source[row]),
        root_covariance=bodies.root_covariance[row].reshape(-1),
        velocity=types["geometry_msgs/msg/Vector3"](x=np.nan, y=np.nan, z=np.nan),
    )
