"""Rosbag2 in and out, without ROS, through the library rosbags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.atomic_files import atomic_folder
from pstmo_core.camera import Camera, CameraError, camera_from_info
from pstmo_core.errors import PstmoError
from pstmo_core.images import RawImage, decode_compressed, decode_image
from pstmo_core.keypoints.frame import KeypointError, keypoint_frame
from pstmo_core.keypoints.layouts import LayoutError, get_layout
from pstmo_core.keypoints.tracking import Tracker, TrackerConfig
from pstmo_core.lift import bag_messages
from pstmo_core.lift.bag_messages import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, PEOPLE, SKELETONS
from pstmo_core.lift.keypoints_from_images import identify
from pstmo_core.lift.recording import ClipBuilder, Recording
from pstmo_core.lift.sources import Frame, Images
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import Prediction

STORAGES = ("mcap", "sqlite3")
_IMAGES = (IMAGE, COMPRESSED_IMAGE)
_TOPIC = "/skeletons"
_SECOND = 1_000_000_000


class BagError(PstmoError):
    """A bag that cannot be read or written; says what is wrong with it."""


def storage_of(path: Path) -> str:
    """Return how a bag is stored, by its files: mcap or sqlite3."""
    files = path.iterdir() if path.is_dir() else [path]
    return "mcap" if any(".mcap" in file.suffixes for file in files) else "sqlite3"


def input_topic(path: Path, topic: str = "") -> tuple[str, str]:
    """Choose what is lifted of a bag: its keypoints, or its images where it has none.

    Args:
        path: the bag.
        topic: the user's choice; needed where there are several.

    Returns:
        The topic and its type.

    Raises:
        BagError: if the bag is broken, or there is no such topic, or there are several.
    """
    with _opened(path) as reader:
        types = {connection.topic: connection.msgtype for connection in reader.connections}
    if topic and topic not in types:
        raise BagError(f"{path}: has no topic {topic}, only {', '.join(sorted(types)) or 'none'}")
    for kinds in ((PEOPLE,), _IMAGES):
        fitting = [name for name, kind in types.items() if kind in kinds and topic in ("", name)]
        if len(fitting) > 1:
            raise BagError(f"{path}: has several topics to lift, give --topic: {fitting}")
        if fitting:
            return fitting[0], types[fitting[0]]
    raise BagError(
        f"{path}: {topic or 'the bag'} has neither keypoints ({PEOPLE}) nor images; its topics "
        f"are {', '.join(sorted(types)) or 'none'}"
    )


def bag_keypoints(
    path: Path,
    topic: str,
    config: StreamConfig,
    progress: Callable[[float], object] | None = None,
) -> Recording:
    """Read the keypoints of a topic; people without ids are named by the tracker.

    Messages that cannot be used are left out, and a note says how many and why.

    Raises:
        BagError: if the bag is broken, or none of its messages can be used.
    """
    builder: ClipBuilder | None = None
    tracker: Tracker | None = None
    faults: Counter[str] = Counter()
    frame_id = ""
    with _opened(path) as reader:
        total = _count(reader, topic)
        for read, (_, message) in enumerate(_messages(reader, topic), 1):
            size = (int(message.width), int(message.height))
            try:
                ids, points, scores = _people(message, size)
                if builder is None:
                    builder, frame_id = ClipBuilder(message.layout, size), message.header.frame_id
                if (builder.layout, builder.size) != (message.layout, size):
                    raise KeypointError("layout or image size change within the topic")
            except (KeypointError, LayoutError) as error:
                faults[str(error)] += 1
                continue
            stamp = _nanoseconds(message.header.stamp)
            if not all(ids):
                tracker = tracker or Tracker(TrackerConfig(expire=config.expire))
                ids = identify(tracker, stamp, points, scores, message.layout, config)
            builder.add(stamp, ids, points, scores)
            if progress is not None:
                progress(read / max(total, 1))
        camera = _calibration(reader, topic)
    notes = tuple(f"{count} messages left out: {why}" for why, count in faults.items())
    if builder is None:
        raise BagError(f"{path}: no message of {topic} can be used; {'; '.join(notes) or 'empty'}")
    return Recording(builder.build(), camera, frame_id, notes)


def bag_images(path: Path, topic: str) -> Images:
    """Return the images of a topic.

    Raises:
        BagError: if the bag is broken.
    """
    with _opened(path) as reader:
        count = _count(reader, topic)
        camera = _calibration(reader, topic)
        first = next(_messages(reader, topic), None)

    def frames() -> Iterator[Frame]:
        with _opened(path) as opened:
            for kind, message in _messages(opened, topic):
                yield _nanoseconds(message.header.stamp), _decoded(kind, message)

    frame_id = first[1].header.frame_id if first else ""
    return Images(frames, count, camera=camera, frame_id=frame_id)


def write_bag(
    path: Path, lifted: Prediction, storage: str, frame_id: str, look_ahead: int
) -> list[Path]:
    """Write skeletons as a bag with one topic, `/skeletons`, a message a frame at its stamp.

    Args:
        path: the bag's folder, written atomically; a bag of skeletons that this function wrote
            before is replaced, and nothing else.
        lifted: the skeletons.
        storage: one of `STORAGES`.
        frame_id: the camera's optical frame.
        look_ahead: nanoseconds by which the newest input that was used is later.

    Raises:
        BagError: if rosbags is not installed.
        OutputError: if something else is there.
    """
    store = _typestore()
    from rosbags.rosbag2 import StoragePlugin, Writer

    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    stamps = lifted.stamps
    newest = newest_stamps(stamps, look_ahead).tolist()
    with (
        atomic_folder(path, is_skeleton_bag) as partial,
        Writer(partial, version=8, storage_plugin=plugin) as writer,
    ):
        connection = writer.add_connection(_TOPIC, SKELETONS, typestore=store)
        for row in np.sort(np.unique(stamps, return_index=True)[1]).tolist():
            message = _skeletons(store.types, lifted, row, newest[row], frame_id)
            data = store.serialize_cdr(message, SKELETONS)
            writer.write(connection, int(stamps[row]), data)
    return [path]


def is_skeleton_bag(folder: Path) -> bool:
    """Tell a bag as `write_bag` writes it, with nothing else in its folder, from other folders."""
    try:
        with _opened(folder) as reader:
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


def _typestore() -> Any:
    try:
        return bag_messages.typestore()
    except ImportError as error:
        raise BagError("bags need the library rosbags: pip install rosbags") from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a bag; whatever its libraries raise on damage becomes one sentence."""
    store = _typestore()
    from rosbags.highlevel import AnyReader

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


def _connections(reader: Any, topic: str) -> list[Any]:
    return [connection for connection in reader.connections if connection.topic == topic]


def _count(reader: Any, topic: str) -> int:
    return sum(connection.msgcount for connection in _connections(reader, topic))


def _messages(reader: Any, topic: str) -> Iterator[tuple[str, Any]]:
    connections = _connections(reader, topic)
    if not connections:
        return
    for connection, _, data in reader.messages(connections):
        yield connection.msgtype, reader.deserialize(data, connection.msgtype)


def _calibration(reader: Any, topic: str) -> Camera | None:
    """Return the camera's calibration from the topic beside this one, or the bag's only one."""
    topics = sorted({c.topic for c in reader.connections if c.msgtype == CAMERA_INFO})
    beside = f"{topic.rsplit('/', 1)[0]}/camera_info"
    if beside not in topics and len(topics) != 1:
        return None
    first = next(_messages(reader, beside if beside in topics else topics[0]), None)
    if first is None:
        return None
    try:
        return camera_from_info(first[1])
    except CameraError:
        return None  # drivers of cameras that were not calibrated send zeros


def _people(message: Any, size: tuple[int, int]) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return ids, points (P, J, 2) and scores (P, J) of a message.

    Raises:
        KeypointError, LayoutError: if they do not fit together.
    """
    joints = len(get_layout(message.layout).joint_names)
    people = message.people
    lengths = {(len(person.points), len(person.scores) or joints) for person in people}
    if lengths - {(2 * joints, joints)}:
        raise KeypointError(f"a person has not the {joints} points of the layout {message.layout}")
    points = np.array([p.points for p in people], np.float32).reshape(-1, joints, 2)
    sure = np.ones(joints, np.float32)
    scores = [p.scores if len(p.scores) else sure for p in people]
    seen = np.array(scores, np.float32).reshape(-1, joints)
    ids = tuple(p.id for p in people)
    if all(ids):  # the check is the core's, which also finds ids that are there twice
        keypoint_frame(0, ids, points, seen, size, message.layout)
    return ids, points, seen


def _decoded(kind: str, message: Any) -> np.ndarray:
    if kind == COMPRESSED_IMAGE:
        return decode_compressed(message.data, message.format)
    raw = RawImage(
        message.data,
        int(message.width),
        int(message.height),
        message.encoding,
        int(message.step),
        bool(message.is_bigendian),
    )
    return decode_image(raw)


def _nanoseconds(stamp: Any) -> int:
    return int(stamp.sec) * _SECOND + int(stamp.nanosec)


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
