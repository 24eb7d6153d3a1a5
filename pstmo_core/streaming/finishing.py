"""Turns the output of a network into skeletons: filtered, scaled, with root positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pstmo_core.keypoints.rotation import upright_axes
from pstmo_core.skeleton import JOINTS, ROOT
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.joint_filter import JointFilter
from pstmo_core.streaming.reading import Due
from pstmo_core.streaming.root import Roots
from pstmo_core.streaming.root_estimator import RootEstimator
from pstmo_core.streaming.skeleton_frame import SkeletonFrame


class Finishing:
    """Finishes skeletons, frame by frame.

    Args:
        config: the settings.
        sigma: whether the network says how far off joints may be.
    """

    def __init__(self, config: StreamConfig, sigma: bool) -> None:
        self._calm = JointFilter(config.max_people, config.joint_cutoff, config.joint_beta)
        self.roots = RootEstimator(config)
        self._axes = upright_axes(config.rotation).T if config.rotation else None
        self._sigma = sigma

    def finish(self, due: Sequence[Due], lifted: np.ndarray) -> list[SkeletonFrame]:
        """Turn the lifted poses of all people of some frames into skeletons.

        Args:
            due: the frames, in the order of their stamps.
            lifted: (P of all, 17, C), as of `Reading.lift`.
        """
        lifted[:, ROOT, :3] = 0  # by definition; the network's own estimate is off by a millimetre
        answers, end = [], 0
        for frame in due:
            start, end = end, end + len(frame.ids)
            answer = self._skeletons(frame, lifted[start:end])
            answers.append(answer if self._axes is None else answer.in_axes(self._axes))
        return answers

    def _skeletons(self, due: Due, lifted: np.ndarray) -> SkeletonFrame:
        joints = self._calm.filter(due.stamp, due.slots, due.visits, lifted[..., :3])
        joints, roots = self.roots.estimate(
            due.stamp, due.ids, joints, due.rays, due.weights, due.pose, due.depths
        )
        sigma = np.exp(lifted[..., 3]) if self._sigma else None
        return SkeletonFrame(
            due.stamp, due.newest, due.ids, joints, due.confidence, due.observed, roots, sigma
        )


def nobody(stamp: int) -> SkeletonFrame:
    """Return a frame without people."""
    joints, nothing = np.empty((0, JOINTS, 3), np.float32), np.empty((0, JOINTS), np.float32)
    return SkeletonFrame(stamp, stamp, (), joints, nothing, nothing[:, 0], Roots.unknown(0))
