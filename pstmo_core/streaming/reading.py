"""The interface between the streaming core and the two kinds of network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.camera_pose import CameraPose


@dataclass(frozen=True)
class Due:
    """A frame whose turn has come: its P people, but for their poses."""

    stamp: int
    newest: int
    ids: tuple[str, ...]
    slots: np.ndarray
    visits: np.ndarray
    confidence: np.ndarray
    """(P, 17), the scores of the frame's keypoints."""
    observed: np.ndarray
    """(P,), see `SkeletonFrame`."""
    rays: np.ndarray
    """(P, 17, 2) of people's last keypoints up to the frame."""
    calibrated: bool
    """Whether the camera is; else the rays are those of a usual one."""
    weights: np.ndarray
    """(P, 17), the scores of those keypoints."""
    pose: CameraPose | None
    depths: np.ndarray | None
    """(P, 17) metres, see `KeypointFrame.depths`."""
    turns: np.ndarray | None
    """(P, 3, 3), the camera's frame to that of the network's answers; None: they are the same."""


DueT = TypeVar("DueT", bound=Due)


class Reading(ABC, Generic[DueT]):
    """What a network has read of a stream, and what it can answer.

    Frames are taken in one after the other, each by `begin` and `put`; the frames whose turn has
    come are then planned, and lifted together. What is planned must be lifted, in that order.
    """

    look_ahead: int
    """Nanoseconds that a frame waits for later ones before it is answered."""
    too_fast = False
    """Whether frames have come so fast that what is kept of them is shorter than a window."""
    overtaken = False
    """Whether the frame that was begun came after a later one was planned: it serves later windows,
    but is not answered."""

    @property
    def memory(self) -> object:
        """What is kept of frames; readings with the same can lift one another's planned frames."""
        return self

    @abstractmethod
    def begin(self, frame: KeypointFrame) -> str | None:
        """Make room for a frame; return None, or the name of the counter of frames that cannot."""

    @abstractmethod
    def put(self, slots: np.ndarray, points: np.ndarray, scores: np.ndarray) -> None:
        """Take in the people of the frame that was begun.

        Args:
            slots: (P,), the people's.
            points: (P, 17, 2) pixels.
            scores: (P, 17), 0 where not seen.
        """

    @abstractmethod
    def plan(self, limit: int | None) -> list[DueT]:
        """Plan the waiting frames with stamps up to a limit, or all of them."""

    @abstractmethod
    def lift(self, due: list[DueT]) -> np.ndarray:
        """Lift the people of planned frames: (P of all, 17, C).

        Joints are in the camera's frame, metres relative to the pelvis; C is 4 where the network
        says log sigma, too.
        """

    @abstractmethod
    def forget(self, slot: int) -> None:
        """Forget the person in a slot."""

    @abstractmethod
    def clear(self) -> None:
        """Forget everybody and every frame."""
