"""Turns keypoint messages into skeleton messages, between subscriber and publisher."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from pstmo_core.camera import Camera, CameraError
from pstmo_core.keypoints.first_image import FirstImage
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.keypoints.tracking import Tracker, TrackerConfig, surest
from pstmo_core.robot.velocity import Velocities
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.runtime import AnyRuntime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.embedding_cache import EmbeddingCache
from pstmo_core.streaming.lifter import StreamLifter
from pstmo_core.streaming.returning import Returning
from pstmo_core.streaming.skeleton_frame import SkeletonFrame
from pstmo_core.streaming.together import push_together
from pstmo_ros.conversions import (
    MessageError,
    has_ids,
    keypoints_from_message,
    skeletons_message,
)
from pstmo_ros.drops import DropCounter
from pstmo_ros.inputs.arrival import Heard
from pstmo_ros.msg import People2D, Skeletons3D
from pstmo_ros.one_camera import OneCamera, Sender
from pstmo_ros.surroundings import Surroundings

#: What the streaming core counts and the user is warned of.
_COUNTED = {
    "late": "a frame came later than the parameter `reorder` allows and was ignored",
    "overtaken": "a frame came after a later one was answered: it is used for later poses, but has "
    "no skeletons of its own; the parameter look_ahead waits for such frames",
    "repeated": "a stamp came a second time and its frame was ignored; each image needs its own",
    "reset": "stamps jumped back by more than the parameter `reset`: everybody was forgotten and "
    "the stream restarts",
    "too_fast": "frames come faster than the parameter max_rate, so windows are shorter than the "
    "network's and poses less exact: raise max_rate, or send fewer frames",
    "too_few_joints": "a person with fewer known joints than the parameter `min_joints` was not "
    "lifted",
    "too_many_people": "there are more people than the parameter `max_people`, the others were "
    "dropped",
}
#: Frames that may wait for their answer: those of the longest look-ahead at 120 Hz, and more.
_MOST_WAITING = 512
NO_FRAME_ID = (
    "keypoints come without a frame_id, so RViz and TF cannot place the skeletons: have the source "
    "set header.frame_id, or set the parameter frame_id"
)


class Stream:
    """Lifts a stream of keypoint messages.

    Args:
        runtime: the network.
        config: settings of the streaming core.
        drops: counts what could not be used.
        warn: takes a sentence for the log.
        frame_id: of skeletons whose keypoints name no frame.
        surroundings: what is known besides keypoints; by default nothing.
        embeddings: shared with the streams of other cameras that are lifted in the same inference.
        prefix: of all ids, so that no two cameras' people have the same.

    Raises:
        ConfigError: if the settings do not fit the network.
        PstmoError: if SciPy, which tells people apart, is not installed.
    """

    def __init__(
        self,
        runtime: AnyRuntime,
        config: StreamConfig,
        drops: DropCounter,
        warn: Callable[[str], object],
        frame_id: str = "",
        surroundings: Surroundings | None = None,
        embeddings: EmbeddingCache | None = None,
        prefix: str = "",
    ) -> None:
        self.config = config
        self.camera: Camera | None = None
        """The calibration of the camera that saw the keypoints; without one, and without the
        parameter `focal`, there are no root positions."""
        self.frame_id = frame_id
        """Of the newest message that was used."""
        self._default_frame_id, self._prefix = frame_id, prefix
        self._surroundings = surroundings or Surroundings()
        self._velocities = Velocities()
        self.lifter = StreamLifter(runtime, config, embeddings)
        self._drops = drops
        self._warn = warn
        self._one_camera = OneCamera()
        # Here rather than at the first message without ids: SciPy takes a second to import.
        self._tracker = Tracker(
            TrackerConfig(expire=config.expire, reset=config.reset, people=config.max_people)
        )
        self._returning = Returning(config.remember, config.floor_height)
        self._poses: dict[int, CameraPose | None] = {}
        """Of the cameras of frames that wait, whose people this node names; by stamp."""
        self._first_image = FirstImage()
        self._told: Counter[str] = Counter()
        self._warned = False
        self._newest: tuple[int, int] | None = None
        """Stamp and arrival of the newest message, nanoseconds of two different clocks."""
        self._answered: int | None = None
        """Stamp of the last answer."""

    @property
    def people(self) -> tuple[str, ...]:
        """The ids of all who have not left, each once."""
        # Who was recognised has two ids of the tracker's, until it forgets the first.
        return tuple(dict.fromkeys(map(self._returning.name_of, self.lifter.people)))

    def take(
        self, message: People2D, layout: str, now: int, publisher: int = 0
    ) -> list[Skeletons3D]:
        """Take in a message and return the skeletons that can now be published.

        Args:
            message: keypoints; what is wrong in it is counted and told, the rest is used.
            layout: name of the layout of its points; empty means what the message says.
            now: nanoseconds of a clock that is not set while it runs.
            publisher: which of the topic's it is of, if there are several.
        """
        frame = self.frame_from(message, layout, now, publisher)
        return [] if frame is None else self.messages(self.lifter.push(frame), now)

    def frame_from(
        self, message: People2D, layout: str, now: int, publisher: int
    ) -> KeypointFrame | None:
        """Return the frame to lift, None if there is nothing to; arguments as of `take`."""
        try:
            frame, faults = keypoints_from_message(message, layout)
        except MessageError as error:
            frame, faults = None, error.faults
        for fault in faults:
            self._tell(fault.reason, f"dropped: {fault.sentence}", now, fault.amount)
        if frame is None or not self._admits(message, now, publisher):
            return None
        if self._newest is not None and self.frame_of(message) != self.frame_id:
            self.reset()  # another camera has taken the place of the one before
            self.lifter.recalibrate()
            self._tracker.forget()
        # A camera that changes its resolution sees the same people.
        frame = self._first_image.resized(frame)
        unnamed = not has_ids(message)  # the tracker gets images without people, too
        if unnamed:
            frame = self._few(frame, now)
        shown = self._first_image.refit(self._calibrated(frame, now))
        if not shown.focal:
            shown = replace(shown, focal=self.config.focal)  # 0 says that it is not known
        if unnamed:
            frame = self._named(frame, shown)
        if self._prefix:
            frame = replace(frame, ids=tuple(f"{self._prefix}{name}" for name in frame.ids))
        names = tuple(map(self._returning.name_of, frame.ids))
        frame = self._surroundings.complete(frame, self.frame_of(message), names, self.config)
        if unnamed:
            self._poses[frame.stamp] = frame.pose
            if len(self._poses) > _MOST_WAITING:  # frames that came too late are never answered
                del self._poses[next(iter(self._poses))]
        self.frame_id = self.frame_of(message)
        if not self.frame_id and not self._warned:
            self._warned = True
            self._warn(NO_FRAME_ID)
        self._newest = frame.stamp, now
        return replace(shown, ids=frame.ids, pose=frame.pose, depths=frame.depths)

    def messages(self, answers: list[SkeletonFrame], now: int) -> list[Skeletons3D]:
        """Return answers of the lifter as messages, and tell what it counted."""
        for reason, sentence in _COUNTED.items():
            if new := self.lifter.counters[reason] - self._told[reason]:
                self._tell(reason, sentence, now, new)
                self._told[reason] += new
        return [self._message(answer) for answer in answers]

    def frame_of(self, message: People2D) -> str:
        """Return the frame of the camera that saw a message's people."""
        return message.header.frame_id or self._default_frame_id

    def _message(self, answer: SkeletonFrame) -> Skeletons3D:
        back = 0 if self._answered is None else self._answered - answer.stamp
        if back > self.config.reset * 1e9:  # who left in a time to come is nobody who comes back
            self._returning.forget()
        self._answered = answer.stamp
        answer = self._recognised(answer)
        answer, frame_id = self._surroundings.in_target(answer, self.frame_id)
        velocity = self._velocities.update(
            answer.ids, answer.stamp, answer.roots.position, frame_id
        )
        return skeletons_message(answer, frame_id, velocity)

    def _recognised(self, answer: SkeletonFrame) -> SkeletonFrame:
        """Give people who come back the ids that they had, where ids are this node's own."""
        if answer.stamp not in self._poses:
            return answer
        answer, again = self._returning.recognise(answer, self._poses[answer.stamp])
        for tracked, before in again:
            self.lifter.same(tracked, before)
        self._poses = {s: pose for s, pose in self._poses.items() if s > answer.stamp}
        return answer

    def _admits(self, message: People2D, now: int, publisher: int) -> bool:
        """Say whether a message is of the camera that is listened to."""
        size = int(message.width), int(message.height)
        if self._one_camera.admits(Sender(message.header.frame_id, *size, publisher), now):
            return True
        sentence = (
            f"several cameras publish on this topic, {self._one_camera.describe()}: only one is "
            "lifted; give each camera a lifter in a namespace of its own (namespace:=camera1), and "
            "end what should not run (ros2 topic info -v names who publishes)"
        )
        self._tell("several_cameras", sentence, now)
        return False

    def _few(self, frame: KeypointFrame, now: int) -> KeypointFrame:
        """Leave out whom there is no room for: matching costs people times tracks."""
        if (beyond := len(frame.ids) - self.config.max_people) > 0:
            frame = surest(frame, self.config.max_people)
            self._tell("too_many_people", _COUNTED["too_many_people"], now, beyond)
        return frame

    def _named(self, frame: KeypointFrame, shown: KeypointFrame) -> KeypointFrame:
        """Give ids to the people of a source that has none.

        Args:
            frame: as the camera saw it.
            shown: the same as the first image would have shown it, its lens undone.
        """
        points = frame.points if self._first_image.fits(frame) else shown.points
        seen = frame.scores >= max(self.config.min_score, 1e-6)
        return replace(frame, ids=self._tracker.identify(frame.stamp, points, seen))

    def _calibrated(self, frame: KeypointFrame, now: int) -> KeypointFrame:
        """Undo the lens; a calibration that does not fit is reported and not used."""
        try:
            if self.camera:
                return self.camera.ideal(frame)
        except CameraError as error:
            self._tell("camera", f"the calibration is not used: {error}", now)
        return frame

    def silence(self, now: int) -> list[Skeletons3D]:
        """Return the skeletons to publish when no message has come until `now`.

        The stream's stamps may be of another clock than the node's (a recording that is played
        again), so the stream's time is its newest stamp plus what has passed here since then.
        """
        if self._newest is None:
            return []
        stamp, arrival = self._newest
        answers = self.lifter.expire(stamp + max(0, now - arrival))
        return [self._message(answer) for answer in answers]

    def reset(self) -> None:
        """Forget everybody and every frame."""
        self.lifter.reset()
        self._returning.forget()
        self._poses.clear()
        self._newest = None

    def _tell(self, reason: str, sentence: str, now: int, amount: int = 1) -> None:
        if line := self._drops.add(reason, sentence, now, amount):
            self._warn(line)


def take_together(
    heard: Sequence[tuple[Stream, Heard]], layout: str, now: int
) -> list[list[Skeletons3D]]:
    """Take in keypoints of each of several streams and lift everybody in one inference.

    Args:
        heard: streams that share their embeddings, no stream twice.
        layout: as of `Stream.take`.
        now: as of `Stream.take`.

    Returns:
        What `Stream.take` would return for each.
    """
    frames = [
        (stream, stream.frame_from(each.message, layout, now, each.publisher))
        for stream, each in heard
    ]
    pushed = [(stream, frame) for stream, frame in frames if frame is not None]
    if len(pushed) == 1:
        answers = [pushed[0][0].lifter.push(pushed[0][1])]
    else:
        answers = push_together([(stream.lifter, frame) for stream, frame in pushed])
    found = {
        id(stream): stream.messages(each, now)
        for (stream, _), each in zip(pushed, answers, strict=True)
    }
    return [found.get(id(stream), []) for stream, _ in frames]
