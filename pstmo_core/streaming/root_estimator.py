"""Estimates the size and the root position of people, frame by frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.depth_root import DepthReader
from pstmo_core.room.floor import Floor, StandingFeet
from pstmo_core.room.held_feet import HeldFeet
from pstmo_core.room.range_filter import RangeFilter
from pstmo_core.room.root_fusion import RootFusion, RootSource
from pstmo_core.room.size_health import SizeHealth
from pstmo_core.room.size_reading import SizeReading
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.root import Roots, scale_to, solve_roots
from pstmo_core.streaming.statures import Statures

#: Heights are remembered of this many times `max_people` people.
_REMEMBERED = 4
#: Standard deviation in metres of the distance that is due to errors of the lifted pose.
_POSE_SPREAD = 0.04


class RootEstimator:
    """Estimates sizes and root positions, frame by frame; remembers both for each person.

    The size of a person is measured with the floor or a depth image. A person whom neither has
    measured yet has the stated height or, if none is stated, the height that the network gives.
    """

    def __init__(self, config: StreamConfig) -> None:
        self._config = config
        self._floor = Floor(config.floor_height, float(np.radians(config.tilt_error)))
        self._depth = DepthReader()
        self._count = _REMEMBERED * config.max_people
        self._rows: dict[str, int] = {}
        self._newest: int | None = None
        """Stamp of the last frame."""
        self._statures = Statures(self._count)
        self._feet = StandingFeet(self._count)
        self._fusion = RootFusion(self._count, config.height)
        self._ranges = RangeFilter(self._count)
        self._held = HeldFeet(self._count, config.floor_height) if config.hold_feet else None

    def estimate(
        self,
        stamp: int,
        ids: tuple[str, ...],
        joints: np.ndarray,
        rays: np.ndarray | None,
        weights: np.ndarray,
        pose: CameraPose | None = None,
        depths: np.ndarray | None = None,
        off: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Roots]:
        """Estimate sizes and root positions of the people in a frame.

        Args:
            stamp: nanoseconds; a frame that is older than the last says that time jumped back, and
                everybody is forgotten.
            ids: P ids.
            joints: (P, 17, 3) metres relative to the pelvis, as lifted.
            rays: (P, 17, 2) of the keypoints, None where the camera is not calibrated.
            weights: (P, 17), 0 where a keypoint was not seen, else its score.
            pose: how the camera stands, None where that is not known.
            depths: (P, 17) metres along the camera's axis to what is seen at the keypoints, NaN
                where not known; None without a depth image.
            off: (P, 17), as of `solve_roots`.

        Returns:
            The joints, scaled to the size of each person, and the root positions.
        """
        if self._newest is not None and stamp < self._newest:
            self._forget_everybody()  # filters would wait until the old time has come again
        self._newest = stamp
        stated = RootSource.HEIGHT if self._config.height else RootSource.ASSUMED
        if rays is None or not len(ids):
            return scale_to(joints, self._config.height), Roots.unknown(len(joints))
        pose = pose if pose is not None and pose.knows_floor else None
        roots = solve_roots(joints, rays, weights, stated, off)
        rows = self._rows_of(ids)
        bodies = joints + roots.position[:, None]
        floor = self._read_floor(rows, stamp, bodies, rays, weights > 0, pose)
        depth = SizeReading.nothing(len(ids))
        if depths is not None:
            depth = self._depth.read_sizes(bodies, depths)
        tall = self._statures.measure(rows, joints, weights > 0)
        sizes = self._fusion.fuse(rows, stamp, tall, roots.distance, floor, depth)
        larger = np.asarray(joints * sizes.scale[:, None, None], joints.dtype)
        distance, jitter = self._ranges.follow(
            rows, stamp, roots.distance * sizes.scale, roots.jitter, sizes.moved
        )
        variance = jitter + sizes.spread**2 + (_POSE_SPREAD / distance) ** 2
        roots = roots.moved_to(distance, variance, sizes.source)
        if self._held is None:
            return larger, roots
        larger, position = self._held.hold(rows, stamp, larger, roots.position, weights > 0, pose)
        return larger, replace(roots, position=position)

    def recalibrate(self) -> None:
        """Restart the filters of distances: the camera has another calibration from now on."""
        self._ranges.forget_all()

    def health(self) -> SizeHealth:
        """Return how well floor and depth image agree with the sizes of people."""
        return self._fusion.health()

    def inherit(self, name: str, other: str) -> None:
        """Give a person the size that was measured under another id of the same person."""
        if name in self._rows and other in self._rows:
            self._fusion.inherit(self._rows[name], self._rows[other])

    def _read_floor(
        self,
        rows: np.ndarray,
        stamp: int,
        bodies: np.ndarray,
        rays: np.ndarray,
        seen: np.ndarray,
        pose: CameraPose | None,
    ) -> SizeReading:
        if pose is None:
            return SizeReading.nothing(len(rows))
        standing = self._feet.look(rows, stamp, bodies, rays, seen, pose)
        return self._floor.read_sizes(bodies, rays, standing, pose)

    def _rows_of(self, ids: tuple[str, ...]) -> np.ndarray:
        """Return the row of each person; a new person takes the row that was unused for longest."""
        for name in ids:
            row = self._rows.pop(name, None)
            if row is None:
                row = len(self._rows)
                if row >= self._count:
                    row = self._rows.pop(next(iter(self._rows)))
                self._forget(row)
            self._rows[name] = row  # at the end: seen last
        return np.array([self._rows[name] for name in ids], np.intp)

    def _forget(self, row: int) -> None:
        for part in (self._statures, self._feet, self._fusion, self._ranges, self._held):
            if part is not None:
                part.forget(row)

    def _forget_everybody(self) -> None:
        for row in self._rows.values():
            self._forget(row)
        self._rows.clear()
