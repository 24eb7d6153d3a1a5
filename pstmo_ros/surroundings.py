"""Adds to keypoints what the lifter knows otherwise: the camera's pose and the depth image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rclpy.node import Node

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.pose_doubt import PoseDoubt
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.skeleton_frame import SkeletonFrame
from pstmo_ros.conversions import stamp_ns
from pstmo_ros.frames.depth_images import DepthImages
from pstmo_ros.frames.imu_gravity import ImuGravity
from pstmo_ros.frames.parameters import FrameParameters
from pstmo_ros.frames.pose_doubts import describe_doubt
from pstmo_ros.frames.transforms import Transforms
from pstmo_ros.frames.waiting_room import WaitingRoom
from pstmo_ros.inputs.arrival import Heard
from pstmo_ros.msg import People2D


class Surroundings:
    """Knows nothing until it is opened, and again when it is closed."""

    def __init__(self) -> None:
        self.see: Callable[[KeypointFrame], object] = _ignore
        """Is shown what the camera saw: people with ids, before the lens is undone."""
        self.doubt = ""
        """What is wrong with the camera's pose, and what to do; empty if nothing is."""
        self._tell: Callable[[str, str], object] = lambda reason, sentence: None
        self._floor_frame = ""
        self._transforms: Transforms | None = None
        self._imu: ImuGravity | None = None
        self._depth: DepthImages | None = None
        self._room: WaitingRoom | None = None

    def open(
        self,
        node: Node,
        own: FrameParameters,
        tell: Callable[[str, str], object],
        frame_of: Callable[[People2D], str],
        handle: Callable[[Heard], None],
    ) -> Callable[[Heard], None]:
        """Listen to what the parameters name.

        Args:
            node: listens.
            own: frames and topics.
            tell: takes a reason and a sentence on what is missing.
            frame_of: returns the frame of the camera that saw a message's people.
            handle: takes keypoints.

        Returns:
            What takes them instead, and lets them wait for TF where that is needed.

        Raises:
            PstmoError: if tf2 is needed and not installed.
        """
        self._tell, self._floor_frame = tell, own.floor_frame
        if own.depth_topic:
            self._depth = DepthImages(node, own.depth_topic, own.depth_tolerance, tell)
        if not (own.floor_frame or own.target_frame or own.imu_topic):
            return handle
        transforms = self._transforms = Transforms(node, own, tell)
        if own.imu_topic:
            self._imu = ImuGravity(node, own.imu_topic, transforms, tell)

        def ready(heard: Heard) -> bool:
            message = heard.message
            return transforms.ready(frame_of(message), stamp_ns(message.header.stamp))

        self._room = WaitingRoom(node, ready, handle, own.tf_timeout)
        return self._room.enter

    def close(self) -> None:
        """Listen no more."""
        for part in (self._room, self._imu, self._transforms, self._depth):
            if part is not None:
                part.close()
        self._room = self._imu = self._transforms = self._depth = None
        self.see, self.doubt = _ignore, ""

    def complete(
        self, frame: KeypointFrame, frame_id: str, names: tuple[str, ...], config: StreamConfig
    ) -> KeypointFrame:
        """Return a frame with what is known of pose and depths.

        Args:
            frame: as the camera saw it.
            frame_id: of the camera.
            names: the ids under which its people are published.
            config: says how the camera is rotated and how high the floor is.
        """
        self.see(replace(frame, ids=names))
        if self._depth is not None:
            frame = replace(frame, depths=self._depth.read(frame, frame_id))
        return replace(frame, pose=self._camera_pose(frame.stamp, frame_id, config))

    def _camera_pose(self, stamp: int, frame_id: str, config: StreamConfig) -> CameraPose | None:
        """Return what TF or else the IMU says of a camera's pose, unless it cannot be right."""
        pose, source = None, self._floor_frame
        if self._transforms is not None:
            pose = self._transforms.camera_pose(frame_id, stamp)
        if self._imu is not None and pose is None:
            pose, source = self._imu.camera_pose(frame_id, stamp), self._imu.topic
        if pose is None:
            self.doubt = ""
            return None
        doubt = PoseDoubt.of(pose, config.rotation, config.floor_height)
        self.doubt = describe_doubt(doubt, frame_id, source, config.rotation)
        if self.doubt:
            self._tell("camera_pose", self.doubt)
        return None if doubt.unusable else pose

    @property
    def camera(self) -> CameraPose | None:
        """The camera in the frame of the last results; None where that is the camera's own."""
        return None if self._transforms is None else self._transforms.camera

    def in_target(self, answer: SkeletonFrame, frame_id: str) -> tuple[SkeletonFrame, str]:
        """Return skeletons in the frame that is asked for, and the frame that they are in."""
        if self._transforms is None:
            return answer, frame_id
        return self._transforms.in_target(answer, frame_id)


def _ignore(frame: KeypointFrame) -> None:
    del frame
