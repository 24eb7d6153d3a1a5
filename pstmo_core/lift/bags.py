"""Reads keypoints and images from rosbag2 bags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.camera import Camera, CameraError, camera_from_info
from pstmo_core.images import ImageError, RawImage, decode_image
from pstmo_core.images.compressed import decode_compressed
from pstmo_core.keypoints.frame import KeypointError, keypoint_frame
from pstmo_core.keypoints.layouts import LayoutError, get_layout
from pstmo_core.keypoints.tracking import Tracker, TrackerConfig
from pstmo_core.lift.bag_messages import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, PEOPLE
from pstmo_core.lift.bag_reader import (
    BagError,
    MessageClock,
    message_count,
    opened,
    read_messages,
)
from pstmo_core.lift.keypoints_from_images import identify, left_out
from pstmo_core.lift.recording import ClipBuilder, Recording
from pstmo_core.lift.settings import MOST_PEOPLE
from pstmo_core.lift.sources import Frame, Images
from pstmo_core.streaming.config import StreamConfig

_IMAGES = (IMAGE, COMPRESSED_IMAGE)


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
    with opened(path) as reader:
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
    layout: str | None = None,
    rectified: bool | None = None,
) -> Recording:
    """Read the keypoints of a topic; people without ids are named by the tracker.

    Messages that cannot be used are left out, and a note says how many and why.

    Args:
        path: the bag.
        topic: of `People2D`.
        config: `min_score` and `expire` hold for the tracker too.
        progress: is called with the share that is done.
        layout: of the points, instead of what the messages say.
        rectified: whether the points are those of a rectified image; None: not known.

    Raises:
        BagError: if the bag is broken, or none of its messages can be used.
    """
    builder: ClipBuilder | None = None
    tracker: Tracker | None = None
    faults: Counter[str] = Counter()
    frame_id = ""
    with opened(path) as reader:
        total = message_count(reader, topic)
        clock = MessageClock.of(reader, topic)
        for read, (moment, _, message) in enumerate(read_messages(reader, topic), 1):
            size, named = (int(message.width), int(message.height)), layout or message.layout
            try:
                ids, points, scores = _people(message, size, named)
                if builder is None:
                    builder, frame_id = ClipBuilder(named, size), message.header.frame_id
                if (builder.layout, builder.size) != (named, size):
                    raise KeypointError("layout or image size change within the topic")
            except (KeypointError, LayoutError) as error:
                faults[str(error)] += 1
                continue
            stamp = clock.stamp(message, moment)
            if not all(ids):
                tracker = tracker or Tracker(TrackerConfig(expire=config.expire))
                ids = identify(tracker, stamp, points, scores, named, config)
            builder.add(stamp, ids, points, scores)
            if progress is not None:
                progress(read / max(total, 1))
        camera, hint = _calibration(reader, topic, rectified)
    notes = (*left_out(faults, "message"), *clock.notes())
    if builder is None:
        raise BagError(f"{path}: no message of {topic} can be used; {'; '.join(notes) or 'empty'}")
    return Recording(builder.build(), camera, frame_id, (*notes, *hint))


def bag_images(path: Path, topic: str, rectified: bool | None = None) -> Images:
    """Return the images of a topic.

    Args:
        path: the bag.
        topic: of images.
        rectified: whether they are rectified; None: by the topic's name, `image_rect...`.

    Raises:
        BagError: if the bag is broken.
    """
    faults = Counter[str]()
    with opened(path) as reader:
        count = message_count(reader, topic)
        camera, hint = _calibration(reader, topic, rectified)
        clock = MessageClock.of(reader, topic)
        first = next(read_messages(reader, topic), None)

    def frames() -> Iterator[Frame]:
        with opened(path) as reader:
            for moment, kind, message in read_messages(reader, topic):
                image = _decoded(kind, message, faults)
                if image is not None:
                    yield clock.stamp(message, moment), image

    frame_id = first[2].header.frame_id if first else ""
    notes = (*hint, *clock.notes())
    return Images(frames, count, camera=camera, frame_id=frame_id, faults=faults, notes=notes)


def _calibration(
    reader: Any, topic: str, rectified: bool | None
) -> tuple[Camera | None, tuple[str, ...]]:
    """Return the camera's calibration from the topic beside this one, or the bag's only one.

    With it come notes for the user on whether images are rectified.
    """
    topics = sorted({c.topic for c in reader.connections if c.msgtype == CAMERA_INFO})
    beside = f"{topic.rsplit('/', 1)[0]}/camera_info"
    if beside not in topics and len(topics) != 1:
        return None, ()
    first = next(read_messages(reader, beside if beside in topics else topics[0]), None)
    if first is None:
        return None, ()
    straight = is_rectified(topic) if rectified is None else rectified
    try:
        camera = camera_from_info(first[2], straight)
    except CameraError:
        return None, ()  # drivers of cameras that were not calibrated send zeros
    hint: tuple[str, ...] = ()
    if rectified is None and straight:
        hint = (f"{topic} was taken as rectified, by its name (--no-rectified if it is not)",)
    elif rectified is None and any(camera.distortion):
        others = sorted({c.topic for c in reader.connections if is_rectified(c.topic)})
        if others:
            hint = (f"if the keypoints are those of {others[0]}, give --rectified",)
    return camera, hint


def is_rectified(topic: str) -> bool:
    """Tell by its name a topic of rectified images, as image_proc names them."""
    return any(part.startswith("image_rect") for part in topic.split("/"))


def _people(
    message: Any, size: tuple[int, int], layout: str
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return ids, points (P, J, 2) and scores (P, J) of a message.

    Raises:
        KeypointError, LayoutError: if they do not fit together.
    """
    joints = len(get_layout(layout).joint_names)
    people = message.people
    if len(people) > MOST_PEOPLE:
        raise KeypointError(f"holds {len(people)} people, but at most {MOST_PEOPLE} are read")
    lengths = {(len(person.points), len(person.scores) or joints) for person in people}
    if lengths - {(2 * joints, joints)}:
        raise KeypointError(f"a person has not the {joints} points of the layout {layout}")
    points = np.array([p.points for p in people], np.float32).reshape(-1, joints, 2)
    sure = np.ones(joints, np.float32)
    scores = [p.scores if len(p.scores) else sure for p in people]
    seen = np.array(scores, np.float32).reshape(-1, joints)
    ids = tuple(p.id for p in people)
    # The check is the core's, which also finds ids that are there twice.
    named = ids if all(ids) else tuple(map(str, range(len(ids))))
    keypoint_frame(0, named, points, seen, size, layout)
    return ids, points, seen


def _decoded(kind: str, message: Any, faults: Counter[str]) -> np.ndarray | None:
    """Return an image, None if it cannot be decoded, which is counted."""
    try:
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
    except ImageError as error:
        faults[str(error)] += 1
        return None
