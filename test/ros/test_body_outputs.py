"""What is told of bodies' parts over DDS: joints with velocities, angles, poses and shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("tf2_ros", reason="needs tf2")

from geometry_msgs.msg import PoseArray
from node_world import worlds
from sensor_msgs.msg import JointState, PointCloud2, PointField
from visualization_msgs.msg import Marker, MarkerArray
from walkers_room import FPS, ID, Room

from pstmo_core.robot.joint_angles import ANGLES, joint_angles
from pstmo_core.room.quaternions import matrix_from_quaternion
from pstmo_core.skeleton import EDGES, JOINT_NAMES, JOINTS
from pstmo_ros.conversions import joints_of

WRIST, ANKLE = JOINT_NAMES.index("rwrist"), JOINT_NAMES.index("lankle")
_FORMATS = {PointField.FLOAT32: "f4", PointField.UINT16: "u2"}

world = worlds(Room)


def rows_of(cloud: PointCloud2) -> np.ndarray:
    """Read a cloud by nothing but its own fields, as any software does."""
    kind = np.dtype(
        {
            "names": [field.name for field in cloud.fields],
            "formats": ["<" + _FORMATS[field.datatype] for field in cloud.fields],
            "offsets": [field.offset for field in cloud.fields],
            "itemsize": cloud.point_step,
        }
    )
    assert cloud.row_step == len(cloud.data) == cloud.width * cloud.point_step
    return np.frombuffer(bytes(cloud.data), kind)


def lifted(here: Room) -> np.ndarray:
    """Return the joints (17, 3) of the newest skeleton in map."""
    skeleton = here.heard["skeletons"][-1].people[0]
    root = skeleton.root
    return joints_of(skeleton) + np.array([root.x, root.y, root.z])


def test_joints_are_told_with_velocities_and_as_poses(world: Callable[..., Room]) -> None:
    here = world(publish_joints=True, publish_poses=True, poses_of="joints", expire=2.0)
    clouds, poses = here.listen(PointCloud2, "joints"), here.listen(PoseArray, "poses")
    here.start()
    truth = here.walk(60)
    newest = here.heard["skeletons"][-1].header
    here.spin_until(lambda: clouds[-1].header == poses[-1].header == newest)
    rows = rows_of(clouds[-1])
    assert rows["joint"].tolist() == list(range(JOINTS)) and not rows["person"].any()
    joints = lifted(here)
    np.testing.assert_allclose(np.stack([rows[a] for a in "xyz"], -1), joints, atol=1e-4)
    velocity = np.stack([rows[f"v{a}"] for a in "xyz"], -1)
    true = (np.array(truth[-1]) - np.array(truth[-7])) * FPS / 6
    off = np.linalg.norm(velocity - true, axis=-1)
    print(f"measured: joints' velocities off by {np.median(off):.2f} m/s, at most {off.max():.2f}")
    assert np.median(off) < 0.35
    assert (rows["confidence"] > 0.9).all() and (rows["sigma"] > 0).all()

    found = [(p.position.x, p.position.y, p.position.z) for p in poses[-1].poses]
    np.testing.assert_allclose(found, joints, atol=1e-4)
    thigh = poses[-1].poses[JOINT_NAMES.index("rhip")].orientation
    up = matrix_from_quaternion(np.array([thigh.x, thigh.y, thigh.z, thigh.w]))[:, 2]
    bone = joints[JOINT_NAMES.index("rhip")] - joints[JOINT_NAMES.index("rknee")]
    np.testing.assert_allclose(up, bone / np.linalg.norm(bone), atol=1e-3)
    for row in range(60, 75):
        here.show_nobody(row)
    here.spin_until(lambda: clouds[-1].width == 0 and not poses[-1].poses)


def test_joint_angles_are_told_without_libhri_and_with_their_velocities(
    world: Callable[..., Room],
) -> None:
    here = world(publish_joint_states=True, expire=2.0)
    states = here.listen(JointState, "body_joint_states")
    here.start()
    here.walk(50)
    here.spin_until(lambda: len(states) == 50)
    assert states[-1].name == [f"{angle}_{ID}" for angle in ANGLES]
    np.testing.assert_allclose(states[-1].position, joint_angles(lifted(here)[None])[0], atol=1e-3)
    told = np.array([state.position for state in states[20:]])
    speeds = np.array([state.velocity for state in states[20:]])
    knee = ANGLES.index("l_knee")
    assert np.ptp(told[:, knee]) > 0.3  # it walks
    # Speeds, which come a quarter of a second late, add up to about what was turned.
    turned = np.cumsum(speeds[:, knee]) / FPS
    assert 0.4 < np.ptp(turned) / np.ptp(told[:, knee]) < 1.6


def test_shapes_show_the_room_that_people_take_and_go_with_them(
    world: Callable[..., Room],
) -> None:
    here = world(publish_capsules=True, publish_uncertainty=True, expire=2.0)
    capsules = here.listen(MarkerArray, "capsules")
    spheres = here.listen(MarkerArray, "uncertainty")
    here.start()
    (camera,) = here.lifter._cameras
    here.spin_until(lambda: all(p.get_subscription_count() for p in camera._outputs._publishers))
    here.walk(30)
    newest = here.heard["skeletons"][-1].header
    for shown in (capsules, spheres):
        here.spin_until(lambda shown=shown: shown and shown[-1].markers[-1].header == newest)
    joints = lifted(here)
    bones = {m.id: m for m in capsules[-1].markers if m.type == Marker.CYLINDER}
    assert set(bones) == set(range(len(EDGES)))
    for (begin, end), marker in zip(EDGES, bones.values(), strict=True):
        at, turn = marker.pose.position, marker.pose.orientation
        axis = matrix_from_quaternion(np.array([turn.x, turn.y, turn.z, turn.w]))[:, 2]
        middle, half = np.array([at.x, at.y, at.z]), axis * marker.scale.z / 2
        np.testing.assert_allclose(middle - half, joints[begin], atol=2e-3)
        np.testing.assert_allclose(middle + half, joints[end], atol=2e-3)
        assert 0.08 < marker.scale.x == marker.scale.y < 0.3
    caps = [m for m in capsules[-1].markers if m.type == Marker.SPHERE_LIST]
    assert caps and all(m.points and m.scale.x > 0 for m in caps)

    unsure = {m.id: m for m in spheres[-1].markers}
    skeleton = here.heard["skeletons"][-1].people[0]
    assert set(unsure) == set(range(1, JOINTS + 1))
    for joint in (WRIST, ANKLE):
        assert unsure[joint].scale.x == pytest.approx(5 * skeleton.sigma[joint], rel=1e-3)
    deviations = np.sqrt(np.linalg.eigvalsh(np.reshape(skeleton.root_covariance, (3, 3))))
    size = unsure[JOINTS].scale
    np.testing.assert_allclose(sorted([size.x, size.y, size.z]), 5 * deviations, rtol=1e-3)

    def gone(messages: list[MarkerArray]) -> bool:
        return all(marker.action == Marker.DELETE for marker in messages[-1].markers)

    here.spin_until(lambda: gone(capsules) and gone(spheres))
