"""Messages to the core's arrays and back. Stamps are nanoseconds (int)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Vector3
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from pstmo_core.camera import ASSUMED_LENS, Camera
from pstmo_core.errors import quoted
from pstmo_core.keypoints.clip import Clip
from pstmo_core.keypoints.frame import KeypointError, KeypointFrame, keypoint_frame
from pstmo_core.keypoints.layouts import LayoutError, get_layout
from pstmo_core.skeleton import EDGES, JOINT_NAMES
from pstmo_core.streaming.skeleton_frame import SkeletonFrame
from pstmo_ros.msg import People2D, Person2D, Skeleton3D, SkeletonLayout, Skeletons3D

#: Name of the skeleton's layout in Skeletons3D and SkeletonLayout.
SKELETON_LAYOUT = "h36m17"
MOST_PEOPLE = 256
"""People of one message that are looked at: as many as `max_people` can be. Each costs time."""
LONGEST_ID = 128
"""Characters of a person's id: it goes into every message and marker of that person."""
_NO_SHARE = 2.0
"""Heatmaps may exceed 1 a little, percentages by far."""
_SECOND = 1_000_000_000
#: A stamp's seconds are 32 bits: until the year 2038.
_FIRST_STAMP, _LAST_STAMP = -(2**31) * _SECOND, 2**31 * _SECOND - 1


@dataclass(frozen=True)
class Fault:
    """Why a message, or a person in it, cannot be used."""

    reason: str
    """One word, to count by: layout, image_size, points, scores, no_id, long_id, repeated_id or
    too_many_people."""
    sentence: str
    """What is wrong and what would be right."""
    amount: int = 1
    """How many people, or messages, it is about."""


class MessageError(ValueError):
    """A message of which nothing can be used."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(fault.sentence for fault in faults))
        self.faults = faults


def stamp_ns(stamp: Time) -> int:
    """Return a message's stamp in nanoseconds."""
    return int(stamp.sec) * _SECOND + int(stamp.nanosec)


def time_message(stamp: int) -> Time:
    """Return nanoseconds as a message's stamp; the nearest that there is, beyond its ends."""
    stamp = min(max(stamp, _FIRST_STAMP), _LAST_STAMP)
    return Time(sec=stamp // _SECOND, nanosec=stamp % _SECOND)


def keypoints_from_message(
    message: People2D, layout: str = ""
) -> tuple[KeypointFrame, list[Fault]]:
    """Convert keypoints of people to the core's.

    Where `has_ids` says that nobody has an id, people are called by their place in the message.

    Args:
        message: people on any known layout.
        layout: name of the layout; empty means what the message says.

    Returns:
        The people whose keypoints can be used, and why others cannot.

    Raises:
        MessageError: if nothing can be used. A message without people is right.
    """
    name = layout or message.layout
    try:
        joints = len(get_layout(name).joint_names)
    except LayoutError as error:
        raise MessageError([Fault("layout", str(error))]) from error
    size = (int(message.width), int(message.height))
    if min(size) <= 0:
        sentence = f"the image size is {size[0]} x {size[1]}, but must be above 0 in pixels"
        raise MessageError([Fault("image_size", sentence)])

    people: dict[str, Person2D] = {}
    faults: list[Fault] = []
    named = has_ids(message)
    if (count := len(message.people)) > MOST_PEOPLE:
        sentence = f"there are {count} people in a message: only the first {MOST_PEOPLE} are used"
        faults.append(Fault("too_many_people", sentence, count - MOST_PEOPLE))
    for row, person in enumerate(message.people[:MOST_PEOPLE]):
        key = person.id if named else str(row)
        fault = _fault(person, key, joints, name, people)
        if fault is None:
            people[key] = person
        else:
            faults.append(fault)
    if faults and not people:
        raise MessageError(faults)
    points, scores = _stack(list(people.values()), joints)
    stamp = stamp_ns(message.header.stamp)
    try:
        return keypoint_frame(stamp, tuple(people), points, scores, size, name), faults
    except KeypointError as error:
        raise MessageError([Fault("points", str(error))]) from error


def has_ids(message: People2D) -> bool:
    """Say whether the source names people; a detector does not, and a tracker must."""
    return any(person.id for person in message.people)


def _fault(
    person: Person2D, key: str, joints: int, layout: str, known: dict[str, Person2D]
) -> Fault | None:
    who = f"person {quoted(key)}"
    if len(key) > LONGEST_ID:
        return Fault("long_id", f"{who}: an id has at most {LONGEST_ID} characters; not used")
    if not key:
        return Fault("no_id", "a person has no id though others in the message have; not used")
    if key in known:
        return Fault("repeated_id", f"{who} is there twice; only the first is used")
    if len(person.points) != 2 * joints:
        return Fault(
            "points",
            f"{who} has {len(person.points)} values in points, but the layout {layout} has "
            f"{joints} points and so needs {2 * joints} (x0, y0, x1, y1, ...)",
        )
    if len(person.scores) not in (0, joints):
        return Fault(
            "scores",
            f"{who} has {len(person.scores)} scores, but the layout {layout} needs {joints}, or "
            "none, which says that every known point is sure",
        )
    most = max(person.scores, default=0.0)
    if most > _NO_SHARE and 2 * sum(score > _NO_SHARE for score in person.scores) > joints:
        return Fault(
            "scores",
            f"{who} has scores up to {most:g}, but they must be 0 (not seen) to 1 "
            "(sure); divide percentages by 100",
        )
    return None


def _stack(people: list[Person2D], joints: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points (P, J, 2) and scores (P, J) of checked people."""
    points = np.empty((len(people), joints, 2), np.float32)
    scores = np.ones((len(people), joints), np.float32)
    for row, person in enumerate(people):
        points[row] = np.asarray(person.points, np.float32).reshape(joints, 2)
        if len(person.scores):
            scores[row] = np.asarray(person.scores, np.float32)
    return points, scores


def keypoints_message(clip: Clip, index: int, stamp: int, frame_id: str) -> People2D:
    """Return one frame of a clip, on the clip's layout; people without any point are absent.

    Args:
        clip: recorded keypoints.
        index: frame of the clip; len(clip.stamps) or more says that nobody is there.
        stamp: nanoseconds.
        frame_id: the camera's optical frame.
    """
    message = People2D(
        header=Header(stamp=time_message(stamp), frame_id=frame_id),
        layout=clip.layout,
        width=clip.width,
        height=clip.height,
    )
    if index < len(clip.stamps):
        message.people = [
            Person2D(
                id=clip.ids[row],
                points=floats(clip.keypoints[index, row]),
                scores=floats(clip.scores[index, row]),
            )
            for row in np.flatnonzero(clip.present(index)).tolist()
        ]
    return message


def skeletons_message(
    frame: SkeletonFrame, frame_id: str, velocity: np.ndarray | None = None
) -> Skeletons3D:
    """Return skeletons as a message.

    Args:
        frame: the skeletons.
        frame_id: the frame that they are in.
        velocity: (P, 3) metres per second of the pelvises; None where not known.
    """
    velocity = np.full((len(frame.ids), 3), np.nan) if velocity is None else velocity
    roots = frame.roots.position.tolist(), frame.roots.source.tolist(), velocity.tolist()
    return Skeletons3D(
        header=Header(stamp=time_message(frame.stamp), frame_id=frame_id),
        newest_stamp=time_message(frame.newest),
        layout=SKELETON_LAYOUT,
        people=[
            Skeleton3D(
                id=name,
                joints=floats(frame.joints[row]),
                confidence=floats(frame.confidence[row]),
                sigma=floats(frame.sigma[row]) if frame.sigma is not None else [],
                observed=float(frame.observed[row]),
                root=Point(x=x, y=y, z=z),
                root_source=source,
                root_covariance=frame.roots.covariance[row].ravel(),
                velocity=Vector3(x=vx, y=vy, z=vz),
            )
            for row, (name, (x, y, z), source, (vx, vy, vz)) in enumerate(
                zip(frame.ids, *roots, strict=True)
            )
        ],
    )


def camera_info_message(camera: Camera, assumed: bool = False) -> CameraInfo:
    """Return a calibration as a message without a header.

    Args:
        camera: the intrinsics.
        assumed: whether they are a guess, which the name of the distortion model then says.
    """
    (fx, fy), (cx, cy) = camera.focal, camera.centre
    return CameraInfo(
        width=camera.width,
        height=camera.height,
        distortion_model=ASSUMED_LENS if assumed else camera.model,
        d=list(camera.distortion) or [0.0] * 5,
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def layout_message() -> SkeletonLayout:
    """Return the names and edges of the skeletons' joints."""
    edges = [index for edge in EDGES for index in edge]
    return SkeletonLayout(name=SKELETON_LAYOUT, joint_names=list(JOINT_NAMES), edges=edges)


def joints_of(skeleton: Skeleton3D) -> np.ndarray:
    """Return the joints (J, 3) of a skeleton in a message."""
    return np.asarray(skeleton.joints, np.float32).reshape(-1, 3)


def floats(values: np.ndarray) -> array[float]:
    """Return an array's values as what messages hold, without a loop over them."""
    return array("f", np.ascontiguousarray(values, np.float32).tobytes())
