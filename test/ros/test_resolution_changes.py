"""A camera that changes its resolution while people are before it keeps everybody, over DDS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from lifter_knows import knows_calibration
from lifter_world import LifterWorld
from node_world import worlds
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from pstmo_core.lift.calibration import pinhole
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.streaming.root import stature
from pstmo_ros.conversions import camera_info_message, floats, joints_of, time_message
from pstmo_ros.msg import People2D, Person2D, Skeleton3D, Skeletons3D

BASE = 1_700_000_000_000_000_000
FPS = 25.0
PLACE = {"position": (0.3, -4.2, 1.5), "target": (0.0, 0.0, 0.9)}
WIDE = View(1280, 720, 1000.0, **PLACE)
HALF = View(640, 360, 500.0, **PLACE)
#: The same lens and sensor, of which less is shown at the sides: 4:3 of a 16:9 sensor.
CUT = View(640, 480, 1000.0 * 480 / 720, **PLACE)
CHANGE, END = 60, 110
#: Frames that a camera's images of the new resolution come before or after its new calibration.
SOONER = 3


class Hall(LifterWorld):
    """A lifter on a known floor and a camera before which two people walk."""

    def __init__(self) -> None:
        down = float(np.degrees(np.arcsin(-WIDE.rotation[2, 2])))
        super().__init__(tilt=down, mounting_height=1.5)
        self._info = self.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)
        self.start()
        self.spin_until(lambda: self._info.get_subscription_count() == 1)

    def calibrate(self, view: View) -> None:
        told = camera_info_message(pinhole(view.focal, view.width, view.height))
        self._info.publish(told)
        self.spin_until(lambda: knows_calibration(self.lifter, told))

    def show(self, row: int, view: View) -> np.ndarray:
        """Let the camera see everybody, without ids; return the true pelvises in its frame."""
        in_camera: np.ndarray = view.to_camera(MovingPeople.shipped(2).joints(row / FPS))
        people = [Person2D(points=floats(view.project(body).ravel())) for body in in_camera]
        header = Header(stamp=time_message(BASE + round(row / FPS * 1e9)), frame_id="camera")
        self.keypoints.publish(
            People2D(
                header=header, layout="h36m17", width=view.width, height=view.height, people=people
            )
        )
        self.spin_until(lambda: len(self.skeletons) > row)
        return in_camera[:, 0]


hall = worlds(Hall)


def offsets(answer: Skeletons3D, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Return by how much (3,) each person's root is off that of the nearest true person."""
    found = {}
    for person in answer.people:
        off = np.array([person.root.x, person.root.y, person.root.z]) - truth
        found[person.id] = off[np.linalg.norm(off, axis=-1).argmin()]
    return found


@pytest.mark.parametrize("calibrated", [-SOONER, 0, SOONER], ids=["before", "with", "after"])
@pytest.mark.parametrize("view", [HALF, CUT], ids=["half", "cut"])
def test_ids_heights_and_places_outlive_a_change_of_resolution(
    hall: Callable[..., Any], view: View, calibrated: int
) -> None:
    here = hall()
    here.calibrate(WIDE)
    off = []
    for row in range(END):
        if row == CHANGE + calibrated:
            here.calibrate(view)
        truth = here.show(row, WIDE if row < CHANGE else view)
        off.append(offsets(here.skeletons[row], truth))
    before, after = here.skeletons[CHANGE - SOONER - 1], here.skeletons[-1]
    ids = sorted(p.id for p in before.people)
    assert len(ids) == 2
    assert {tuple(sorted(p.id for p in a.people)) for a in here.skeletons[10:]} == {tuple(ids)}
    assert {p.root_source for p in after.people} <= {
        Skeleton3D.ROOT_FLOOR, Skeleton3D.ROOT_LEARNED,
    }  # fmt: skip
    assert heights(after) == pytest.approx(heights(before), rel=0.04)
    steps = [
        np.linalg.norm(now[name] - last[name])
        for last, now in zip(off[CHANGE - 10 :], off[CHANGE - 9 :], strict=False)
        for name in ids
        if np.isfinite(now[name]).all() and np.isfinite(last[name]).all()
    ]
    print(f"measured: largest step {max(steps):.3f} m")
    assert max(steps) < 0.1


def heights(answer: Skeletons3D) -> dict[str, float]:
    return {p.id: float(stature(joints_of(p)[None])[0]) for p in answer.people}
