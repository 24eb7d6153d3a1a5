"""What RViz is given, without RViz: every rule that it ends or complains about."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from geometry_msgs.msg import Point
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from pstmo_core.errors import ConfigError
from pstmo_core.skeleton import LEFT, RIGHT
from pstmo_core.streaming.root import Roots
from pstmo_core.streaming.skeleton_frame import SkeletonFrame
from pstmo_ros.conversions import skeletons_message
from pstmo_ros.markers import LINES, SPHERES, MarkerStyle, SkeletonMarkers
from pstmo_ros.msg import Skeleton3D, Skeletons3D

RNG = np.random.default_rng(0)


def skeletons(*ids: str, unknown: tuple[int, ...] = (), confidence: float = 0.8) -> Skeletons3D:
    joints = RNG.normal(size=(len(ids), 17, 3)).astype(np.float32)
    joints[:, list(unknown)] = np.nan
    sure = np.full((len(ids), 17), confidence, np.float32)
    observed, roots = np.ones(len(ids), np.float32), Roots.unknown(len(ids))
    frame = SkeletonFrame(7, 7, ids, joints, sure, observed, roots)
    return skeletons_message(frame, "camera")


def added(array: MarkerArray) -> dict[tuple[str, int], Marker]:
    return {(m.ns, m.id): m for m in array.markers if m.action == Marker.ADD}


def deleted(array: MarkerArray) -> set[tuple[str, int]]:
    return {(m.ns, m.id) for m in array.markers if m.action == Marker.DELETE}


def xyz(marker: Marker) -> np.ndarray:
    return np.array([[p.x, p.y, p.z] for p in marker.points])


def assert_rviz_takes_it(array: MarkerArray) -> None:
    keys = [(m.ns, m.id) for m in array.markers]
    assert len(set(keys)) == len(keys)
    for marker in added(array).values():
        assert marker.points
        assert np.isfinite(xyz(marker)).all()
        assert len(marker.colors) == len(marker.points)
        assert marker.type != Marker.LINE_LIST or len(marker.points) % 2 == 0
        assert min(marker.scale.x, marker.scale.y, marker.scale.z) > 0
        assert marker.pose.orientation.w == 1.0
        assert min(colour.a for colour in marker.colors) > 0


def test_a_person_is_one_list_of_spheres_and_one_of_lines_in_the_skeletons_frame() -> None:
    array = SkeletonMarkers(MarkerStyle()).draw(skeletons("a"), ["a"])
    assert_rviz_takes_it(array)
    drawn = added(array)
    assert drawn["a", SPHERES].type == Marker.SPHERE_LIST
    assert drawn["a", LINES].type == Marker.LINE_LIST
    assert len(drawn["a", SPHERES].points) == 17
    assert len(drawn["a", LINES].points) == 32
    assert all(m.header.frame_id == "camera" and m.header.stamp.nanosec == 7 for m in array.markers)
    assert all(m.lifetime.nanosec == 500_000_000 for m in array.markers)


@pytest.mark.parametrize("unknown", [(0,), (3, 9), tuple(range(1, 17)), tuple(range(17))])
def test_unknown_joints_and_their_lines_are_left_out(unknown: tuple[int, ...]) -> None:
    array = SkeletonMarkers(MarkerStyle()).draw(skeletons("a", unknown=unknown), ["a"])
    assert_rviz_takes_it(array)
    drawn = added(array)
    known = 17 - len(unknown)
    assert len(drawn["a", SPHERES].points if known else []) == known
    if known < 2:
        assert ("a", LINES) not in drawn


def test_left_right_and_middle_differ_and_alpha_is_the_confidence() -> None:
    array = SkeletonMarkers(MarkerStyle()).draw(skeletons("a", confidence=0.8), ["a"])
    colours = np.array([[c.r, c.g, c.b, c.a] for c in added(array)["a", SPHERES].colors])
    np.testing.assert_allclose(colours[:, 3], 0.8, atol=1e-6)
    sides = [colours[list(LEFT)], colours[list(RIGHT)], colours[[0, 7, 8, 9, 10]]]
    assert [len(np.unique(side, axis=0)) for side in sides] == [1, 1, 1]
    assert len(np.unique(np.concatenate(sides), axis=0)) == 3


def test_alpha_never_falls_below_its_parameter() -> None:
    style = MarkerStyle(marker_min_alpha=0.2)
    array = SkeletonMarkers(style).draw(skeletons("a", confidence=0.0), ["a"])
    assert {round(c.a, 5) for m in array.markers for c in m.colors} == {0.2}


def test_who_leaves_is_deleted_and_who_is_missed_in_one_image_is_not() -> None:
    markers = SkeletonMarkers(MarkerStyle())
    markers.draw(skeletons("a", "b"), ["a", "b"])
    missed = markers.draw(skeletons("b"), ["a", "b"])
    assert deleted(missed) == set()
    left = markers.draw(skeletons("b"), ["b"])
    assert deleted(left) == {("a", SPHERES), ("a", LINES)}
    assert deleted(markers.draw(skeletons(), [])) == {("b", SPHERES), ("b", LINES)}
    assert not markers.draw(skeletons(), []).markers


def test_lines_are_deleted_when_only_points_are_left() -> None:
    markers = SkeletonMarkers(MarkerStyle())
    markers.draw(skeletons("a"), ["a"])
    alone = markers.draw(skeletons("a", unknown=tuple(range(1, 17))), ["a"])
    assert deleted(alone) == {("a", LINES)}


def test_clearing_deletes_everybody() -> None:
    markers = SkeletonMarkers(MarkerStyle())
    markers.draw(skeletons("a", "b"), ["a", "b"])
    assert len(deleted(markers.clear(Header()))) == 4


def pelvis(array: MarkerArray, message: Skeletons3D, row: int) -> np.ndarray:
    skeleton = message.people[row]
    first_joint = np.array(skeleton.joints[:3])
    return xyz(added(array)[skeleton.id, SPHERES])[0] - first_joint


def test_people_without_a_root_keep_places_of_their_own_side_by_side() -> None:
    style = MarkerStyle(marker_root=(0.0, 0.5, 4.0), marker_spacing=1.5)
    markers = SkeletonMarkers(style)
    both = skeletons("a", "b")
    array = markers.draw(both, ["a", "b"])
    np.testing.assert_allclose(pelvis(array, both, 0), [0, 0.5, 4], atol=1e-6)
    np.testing.assert_allclose(pelvis(array, both, 1), [1.5, 0.5, 4], atol=1e-6)
    alone = skeletons("b")
    np.testing.assert_allclose(
        pelvis(markers.draw(alone, ["b"]), alone, 0), [1.5, 0.5, 4], atol=1e-6
    )
    joined = skeletons("c", "b")
    np.testing.assert_allclose(
        pelvis(markers.draw(joined, ["b", "c"]), joined, 0), [0, 0.5, 4], atol=1e-6
    )


def test_a_known_root_is_used() -> None:
    message = skeletons("a")
    message.people[0].root = Point(x=1.0, y=2.0, z=5.0)
    message.people[0].root_source = Skeleton3D.ROOT_DEPTH
    array = SkeletonMarkers(MarkerStyle()).draw(message, ["a"])
    np.testing.assert_allclose(pelvis(array, message, 0), [1, 2, 5], atol=1e-6)


@pytest.mark.parametrize("root", [(1.0, 2.0), (0.0, float("nan"), 1.0)])
def test_a_wrong_place_is_refused(root: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="three numbers in metres"):
        MarkerStyle(marker_root=root)
