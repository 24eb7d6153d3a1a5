"""One lifter for two cameras: one inference, and to each camera its own frame, lens and ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from lifter_knows import knows_calibration
from node_world import World, overrides, worlds
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from pstmo_core.errors import ConfigError
from pstmo_core.lift.calibration import pinhole
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.streaming.root import stature
from pstmo_ros.conversions import camera_info_message, floats, stamp_ns, time_message
from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.msg import People2D, Person2D, Skeletons3D

VIEWS = {
    "left": View(1280, 720, 1000.0, position=(0.3, -4.2, 1.5), target=(0.0, 0.0, 0.9)),
    "right": View(640, 480, 560.0, position=(3.5, -2.0, 1.8), target=(0.0, 0.0, 0.9)),
}
FPS = 25.0
BASE = 1_700_000_000_000_000_000


class Hall(World):
    """A lifter and two cameras that see the same person, each at its own moments."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__()
        given = {
            "qos_reliability": "reliable", "qos_depth": 100, "cameras": "left, right",
            **parameters,
        }  # fmt: skip
        self.lifter = self.take_in(LifterNode(parameter_overrides=overrides(given)))
        self.answers = {n: self.listen(Skeletons3D, f"{n}/skeletons") for n in VIEWS}
        self._keypoints = {n: self.create_publisher(People2D, f"{n}/keypoints", 100) for n in VIEWS}
        self._infos = {
            n: self.create_publisher(CameraInfo, f"{n}/camera_info", qos_profile_sensor_data)
            for n in VIEWS
        }

    def start(self, only: tuple[str, ...] = tuple(VIEWS)) -> None:
        assert self.lifter.start()
        publishers = [of[name] for name in only for of in (self._keypoints, self._infos)]
        self.spin_until(lambda: all(p.get_subscription_count() == 1 for p in publishers))
        for name in only:
            view = VIEWS[name]
            info = camera_info_message(pinhole(view.focal, view.width, view.height))
            self._infos[name].publish(info)
            at = list(only).index(name)
            self.spin_until(lambda at=at, info=info: knows_calibration(self.lifter, info, at))

    def show(
        self, row: int, names: tuple[str, ...] = tuple(VIEWS), topic: str = ""
    ) -> dict[str, np.ndarray]:
        """Let cameras see somebody who walks; return the true pelvis in each camera's frame."""
        truth = {}
        for name in names:
            view = VIEWS[name]
            late = 0.011 if name == "right" else 0.0
            in_camera = view.to_camera(MovingPeople.shipped(1).joints(row / FPS + late)[0])
            stamp = time_message(BASE + round((row / FPS + late) * 1e9))
            # Both cameras call their person the same, as trackers do.
            person = Person2D(id="p1", points=floats(view.project(in_camera).ravel()))
            self._keypoints[topic or name].publish(
                People2D(
                    header=Header(stamp=stamp, frame_id=f"{name}_optical"),
                    layout="h36m17", width=view.width, height=view.height, people=[person],
                )
            )  # fmt: skip
            truth[name] = in_camera[0]
        return truth


hall = worlds(Hall)


def test_two_cameras_are_lifted_together_each_in_its_own_frame(hall: Callable[..., Hall]) -> None:
    body = MovingPeople.shipped(1).joints(0.0)
    here = hall(publish_poses=True, height=float(stature(body - body[:, :1])[0]))
    poses = here.listen(PoseArray, "right/poses")
    here.start()
    counts: list[int] = []
    step = here.lifter._runtime.step

    def counted(fresh: Any, kept: Any, index: np.ndarray, frame: Any) -> Any:
        counts.append(len(index))
        return step(fresh, kept, index, frame)

    here.lifter._runtime.step = counted
    for row in range(30):
        truth = here.show(row)
        here.spin_until(lambda row=row: all(len(a) > row for a in here.answers.values()))
    for name, answers in here.answers.items():
        (skeleton,) = answers[-1].people
        assert answers[-1].header.frame_id == f"{name}_optical"
        assert skeleton.id == f"{name}_p1"
        root = np.array([skeleton.root.x, skeleton.root.y, skeleton.root.z])
        off = np.linalg.norm(root - truth[name]) / np.linalg.norm(truth[name])
        print(f"measured: {name} {off:.1%} of the distance off, in {len(counts)} inferences")
        assert off < 0.08  # of each camera's own lens
    assert sum(counts) == 2 * 60  # everybody's mirror image is lifted, too
    assert len(counts) < 45  # most frames of the two cameras were lifted together
    assert poses[-1].header.frame_id == "right_optical"
    assert stamp_ns(here.answers["left"][-1].header.stamp) < stamp_ns(
        here.answers["right"][-1].header.stamp
    )


def test_a_camera_that_falls_silent_or_sends_rubbish_leaves_the_other_alone(
    hall: Callable[..., Hall],
) -> None:
    here = hall(expire=0.3)
    here.start()
    for row in range(5):
        here.show(row)
    here._keypoints["left"].publish(People2D(layout="h36m17", width=0, height=0))
    for row in range(5, 20):
        here.show(row, ("right",))
        here.spin_for(0.03)
    here.spin_until(lambda: len([m for m in here.answers["right"] if m.people]) == 20)
    here.spin_until(lambda: here.answers["left"] and not here.answers["left"][-1].people)
    assert here.lifter.drops.counts["image_size"] == 1
    here.spin_until(lambda: not here.answers["right"][-1].people)


def test_cameras_that_share_a_frame_are_said_once(hall: Callable[..., Hall]) -> None:
    here = hall()
    said, told = here.listen_to_logs(), here.listen(DiagnosticArray, "/diagnostics")
    here.start()
    words = "the cameras left and right have one frame_id, 'optical'"
    for name, keypoints in here._keypoints.items():
        view, header = VIEWS[name], Header(stamp=time_message(BASE), frame_id="optical")
        keypoints.publish(
            People2D(header=header, layout="h36m17", width=view.width, height=view.height)
        )
    here.spin_until(lambda: any(words in s.message for m in told for s in m.status))
    here.spin_until(lambda: any(words in line for line in said))
    here.spin_for(0.5)
    assert sum(words in line for line in said) == 1


def test_two_cameras_on_one_topic_are_noticed_and_one_is_lifted(
    hall: Callable[..., Hall], capfd: pytest.CaptureFixture[str]
) -> None:
    here = hall(cameras="left")
    here.start(only=("left",))
    for row in range(12):
        here.show(row, ("left",))
        here.show(row, ("right",), topic="left")  # somebody has remapped it wrongly
    here.spin_until(lambda: here.lifter.drops.counts["several_cameras"] >= 10)
    frames = [answer.header.frame_id for answer in here.answers["left"]]
    assert len(frames) >= 10 and len(set(frames[4:])) == 1
    log = capfd.readouterr().err
    assert "several cameras publish on this topic" in log
    assert "'left_optical' (1280 x 720) and 'right_optical' (640 x 480)" in log


def test_two_publishers_of_one_camera_are_noticed_by_the_numbers_of_their_messages(
    hall: Callable[..., Hall], capfd: pytest.CaptureFixture[str]
) -> None:
    """Two cameras whose drivers have one frame_id, or a detector that somebody has left running."""
    here = hall(cameras="left")
    here.start(only=("left",))
    second = here.create_publisher(People2D, "left/keypoints", 100)
    here.spin_until(lambda: second.get_subscription_count() == 1)
    for row in range(12):
        here.show(row, ("left",))
        header = header_of(row + 0.5)
        second.publish(People2D(header=header, layout="h36m17", width=1280, height=720))
    here.spin_until(lambda: here.answers["left"] and here.answers["left"][-1].header == header)
    stamps = [stamp_ns(answer.header.stamp) for answer in here.answers["left"]]
    assert stamps == [BASE, *(BASE + round((row + 0.5) / FPS * 1e9) for row in range(12))]
    assert here.lifter.drops.counts == {"several_cameras": 11}
    assert "'left_optical' (1280 x 720) of 2 publishers" in capfd.readouterr().err
    here.destroy_publisher(second)
    here.spin_for(1.1)
    for row in range(12, 17):
        here.show(row, ("left",))
    here.spin_until(lambda: here.answers["left"][-1].header == header_of(16))
    assert here.answers["left"][-1].people


def header_of(row: float) -> Header:
    return Header(stamp=time_message(BASE + round(row / FPS * 1e9)), frame_id="left_optical")


def test_cameras_without_proper_names_and_people_for_libhri_are_refused(
    hall: Callable[..., Hall], capfd: pytest.CaptureFixture[str]
) -> None:
    for cameras in ("left,left", "left,", "left,my camera", "/left,right"):
        with pytest.raises(ConfigError, match="separated by commas"):
            LifterNode(parameter_overrides=overrides({"cameras": cameras}))
    with pytest.raises(ConfigError, match="serves 16 at most"):
        LifterNode(parameter_overrides=overrides({"cameras": ",".join(f"c{n}" for n in range(17))}))
    assert not hall(publish_hri=True, publish_tf="links").lifter.start()
    assert "give each camera a lifter of its own" in capfd.readouterr().err


def test_cameras_that_would_take_gigabytes_together_are_refused_and_can_be_mended(
    hall: Callable[..., Hall], capfd: pytest.CaptureFixture[str]
) -> None:
    here = hall(cameras="left,right,rear", max_people=256).lifter
    assert not here.start()
    assert "cannot configure: the windows of everybody would take" in capfd.readouterr().err
    here.set_parameters([Parameter("max_people", value=16)])
    assert here.start()
    (result,) = here.set_parameters([Parameter("max_people", value=256)])
    assert not result.successful and "lower max_people" in result.reason
