"""The node that merges the skeletons from the lifters of several cameras."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point, Vector3
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from pstmo_core.errors import ConfigError, quoted
from pstmo_core.robot.merged_person import Sighting
from pstmo_core.robot.merging import MOST_PEOPLE, Merged, Merger
from pstmo_core.robot.velocity import Velocities
from pstmo_core.settings import check_settings, setting
from pstmo_core.skeleton import JOINTS
from pstmo_ros.conversions import (
    LONGEST_ID,
    SKELETON_LAYOUT,
    floats,
    joints_of,
    stamp_ns,
    time_message,
)
from pstmo_ros.drops import RARELY, DropCounter
from pstmo_ros.guarded_callback import guarded
from pstmo_ros.markers import MarkerStyle, SkeletonMarkers
from pstmo_ros.merged_camera import MergedCamera
from pstmo_ros.merger_diagnostics import MISSING, MergerHealth, status
from pstmo_ros.monitor import WINDOW
from pstmo_ros.msg import Skeleton3D, Skeletons3D
from pstmo_ros.parameters import NEVER, Parameters
from pstmo_ros.recent_drops import RecentDrops
from pstmo_ros.run_node import run_node, spin
from pstmo_ros.status_publisher import StatusPublisher

_PATIENCE = 2.0
"""Seconds: after such a silence a message may bring another frame; stamps of cameras may differ by
as much."""
LOOK_PERIOD = 10.0
"""Seconds between two looks whether all topics are published."""
_FARTHEST = 1e6
"""Largest coordinate and sigma in metres, and largest covariance in square metres."""
_SUREST = 1e-9
"""Square metres: a covariance with a smaller eigenvalue is invalid."""
MOST_TOPICS = 64
"""Lifters' topics that are merged."""
_QOS = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)


@dataclass(frozen=True)
class MergerParameters:
    """What is merged.

    Raises:
        ConfigError: if a value is not allowed.
    """

    skeletons_topics: str = setting(
        "camera1/skeletons,camera2/skeletons",
        "Topics of the lifters' skeletons, separated by commas. All must be in one frame: give "
        "each lifter the same target_frame.",
        change=NEVER,
    )
    merged_topic: str = setting(
        "merged_skeletons", "Topic of the merged skeletons (Skeletons3D).", change=NEVER
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if len(set(self.topics)) < 2 or not all(self.topics):
            raise ConfigError(
                f"skeletons_topics is {self.skeletons_topics!r}, but must be two or more different "
                "topics, separated by commas: camera1/skeletons,camera2/skeletons"
            )
        if len(self.topics) > MOST_TOPICS:
            raise ConfigError(
                f"skeletons_topics has {len(self.topics)} topics, but must have {MOST_TOPICS} at "
                "most: each is a subscription"
            )

    @property
    def topics(self) -> list[str]:
        """The topics."""
        return [topic.strip() for topic in self.skeletons_topics.split(",")]


class PeopleMerger(Node):
    """Subscribes to several Skeletons3D and publishes one, and markers.

    It reports its health on /diagnostics.

    Raises:
        ConfigError: if a parameter is wrong.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("people_merger", **options)
        own = Parameters(self, MergerParameters).read(MergerParameters)
        self.drops = DropCounter()
        self._merger, self._velocities = Merger(), Velocities()
        self._markers = SkeletonMarkers(MarkerStyle())
        self._frame_id, self._heard = "", float("-inf")
        self._stamps: dict[str, tuple[float, int]] = {}
        """Per camera: when its last message came (seconds, monotonic), and the message's stamp."""
        self._merged = self.create_publisher(Skeletons3D, own.merged_topic, _QOS)
        self._drawn = self.create_publisher(MarkerArray, "merged_markers", _QOS)
        self._people: list[Merged] = []
        """Of the newest answer."""
        self._cameras = [
            MergedCamera(self, topic, _QOS, self._take, self._tell) for topic in own.topics
        ]
        look = guarded(self, self._look_for_lifters, self._tell)
        self.create_timer(LOOK_PERIOD, look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._recent_drops = RecentDrops(time.monotonic_ns(), WINDOW)
        StatusPublisher(self, self._status)
        self.get_logger().info(f"merges {', '.join(own.topics)} -> {self._merged.topic_name}")

    def _look_for_lifters(self) -> None:
        for camera in self._cameras:
            if not camera.sources:
                sentence = f"nobody publishes skeletons on {camera.name}: does the lifter run?"
                self._tell(
                    f"{MISSING}{camera.name}", f"{sentence} Is skeletons_topics right?", RARELY
                )

    def _status(self, name: str) -> DiagnosticStatus:
        drops, seen = self.drops.counts, [each for p in self._people for each in p.cameras]
        recent = self._recent_drops.update(time.monotonic_ns(), drops)
        cameras = tuple(camera.health(seen.count(camera.topic)) for camera in self._cameras)
        people = len(self._people)
        return status(name, MergerHealth(cameras, self._frame_id, people, drops, recent))

    def _take(self, camera: str, message: Skeletons3D) -> bool:
        """Publish what all cameras tell, one more message included; say whether it could be."""
        now, frame_id = time.monotonic(), message.header.frame_id
        if not message.people:  # nobody is in every frame
            frame_id = self._frame_id or frame_id
        elif not self._frame_id or now - self._heard > _PATIENCE:
            self._frame_id, self._heard = frame_id, now
        elif frame_id == self._frame_id:
            self._heard = now
        else:
            self._tell(
                "frame",
                f"{camera} is in the frame {quoted(frame_id)}, but the others are in "
                f"{quoted(self._frame_id)}: give each lifter the same target_frame, and TF to it",
            )
            return False
        stamp = stamp_ns(message.header.stamp)
        self._compare_clocks(camera, stamp, now)
        sightings = self._sightings(camera, stamp, message.people)
        people = self._merger.take(camera, stamp, sightings)
        positions = np.array([p.position for p in people]).reshape(-1, 3)
        newest = self._merger.newest
        velocities = self._velocities.update(tuple(p.name for p in people), newest, positions)
        header = Header(stamp=time_message(newest), frame_id=frame_id)
        self._publish(header, people, velocities)
        self._people = people
        return True

    def _compare_clocks(self, camera: str, stamp: int, now: float) -> None:
        for other, (heard, at) in self._stamps.items():
            apart = abs(stamp - at) / 1e9
            if other != camera and now - heard < _PATIENCE and apart > _PATIENCE:
                self._tell(
                    "clocks",
                    f"{camera} and {other} are {apart:.1f} s apart by their stamps, so nobody is "
                    "recognised: set the clocks of the cameras' machines by one source (chrony)",
                )
        self._stamps[camera] = now, stamp

    def _sightings(self, camera: str, stamp: int, people: Sequence[Skeleton3D]) -> list[Sighting]:
        """Return those of a message's people who can be merged, and report the others."""
        placed = [person for person in people if person.root_source != person.ROOT_NONE]
        if len(placed) < len(people):
            self._tell("no_root", f"{camera}: people without a root position are left out")
        if len(placed) > MOST_PEOPLE:
            sentence = f"{camera}: {len(placed)} people in a message, {MOST_PEOPLE} are merged"
            self._tell("too_many_people", sentence)
        right = [person for person in placed[:MOST_PEOPLE] if _is_valid(person)]
        if len(right) < len(placed[:MOST_PEOPLE]):
            self._tell(
                "skeleton",
                f"{camera}: people are left out whose skeleton does not have {JOINTS} joints, or "
                "has invalid numbers (NaN, infinite, not a covariance, a sigma below 0)",
            )
        return [_sighting(stamp, person) for person in right]

    def _publish(self, header: Header, people: list[Merged], velocities: np.ndarray) -> None:
        merged = Skeletons3D(
            header=header,
            newest_stamp=header.stamp,
            layout=SKELETON_LAYOUT,
            people=[
                _skeleton(person, velocity)
                for person, velocity in zip(people, velocities.tolist(), strict=True)
            ],
        )
        self._merged.publish(merged)
        if self._drawn.get_subscription_count():
            self._drawn.publish(self._markers.draw(merged, tuple(p.name for p in people)))

    def _tell(self, reason: str, sentence: str, period: int | None = None) -> None:
        if line := self.drops.add(reason, sentence, time.monotonic_ns(), period=period):
            self.get_logger().warning(line)


def _is_valid(skeleton: Skeleton3D) -> bool:
    if len(skeleton.joints) != 3 * JOINTS or len(skeleton.confidence) != JOINTS:
        return False
    if len(skeleton.sigma) not in (0, JOINTS) or min(skeleton.sigma, default=0.0) < 0:
        return False
    root, covariance = skeleton.root, np.reshape(skeleton.root_covariance, (3, 3))
    places = (root.x, root.y, root.z)
    values = (skeleton.joints, skeleton.confidence, places, covariance, skeleton.sigma or [0.0])
    if len(skeleton.id) > LONGEST_ID or not all(np.abs(v).max() < _FARTHEST for v in values):
        return False
    return bool(np.linalg.eigvalsh(covariance).min() > _SUREST)


def _sighting(stamp: int, skeleton: Skeleton3D) -> Sighting:
    root = skeleton.root
    return Sighting(
        stamp,
        skeleton.id,
        np.array([root.x, root.y, root.z]),
        np.reshape(skeleton.root_covariance, (3, 3)),
        joints_of(skeleton).astype(np.float64),
        np.asarray(skeleton.confidence, np.float64),
        np.asarray(skeleton.sigma, np.float64) if skeleton.sigma else None,
    )


def _skeleton(person: Merged, velocity: list[float]) -> Skeleton3D:
    x, y, z = person.position.tolist()
    return Skeleton3D(
        id=person.name,
        joints=floats(person.joints),
        confidence=floats(person.confidence),
        sigma=floats(person.sigma) if person.sigma is not None else [],
        observed=1.0,
        root=Point(x=x, y=y, z=z),
        root_source=Skeleton3D.ROOT_EXTERNAL,
        root_covariance=person.covariance.ravel(),
        velocity=Vector3(x=velocity[0], y=velocity[1], z=velocity[2]),
    )


def main(args: Sequence[str] | None = None) -> int:
    """Merge until Ctrl-C."""
    return run_node(PeopleMerger, args, spin)


if __name__ == "__main__":
    sys.exit(main())
