"""Bags in and out: the same core, the same bits."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Command

pytest.importorskip("rosbags", reason="bags need rosbags (extra `bags`)")

from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg

from pstmo_core.keypoints.clip import Clip, load_clip, sample_path, save_clip
from pstmo_core.lift.bag_messages import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    DEFINITIONS,
    IMAGE,
    PEOPLE,
    SKELETONS,
    typestore,
)
from pstmo_core.lift.bag_reader import BagError, opened
from pstmo_core.lift.bags import bag_keypoints, is_rectified
from pstmo_core.lift.crowd import people_at_once
from pstmo_core.lift.skeleton_bags import newest_stamps
from pstmo_core.runtime import Runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip

MESSAGES = Path(__file__).parents[2] / "msg"
START = 1_700_000_000_123_456_789
STORE = typestore()
TYPES = STORE.types


def header(stamp: int) -> Any:
    time = TYPES["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
    return TYPES["std_msgs/msg/Header"](stamp=time, frame_id="camera_optical")


def people_message(clip: Clip, row: int, named: bool = True) -> Any:
    there = np.flatnonzero(clip.present(row)).tolist()
    return TYPES[PEOPLE](
        header=header(int(clip.stamps[row])),
        layout=clip.layout,
        width=clip.width,
        height=clip.height,
        people=[
            TYPES["pstmo_ros/msg/Person2D"](
                id=clip.ids[person] if named else "",
                points=clip.keypoints[row, person].reshape(-1),
                scores=clip.scores[row, person],
            )
            for person in there
        ],
    )


def camera_info(width: int, height: int, focal: float) -> Any:
    matrix = np.array([focal, 0, width / 2, 0, focal, height / 2, 0, 0, 1])
    roi = TYPES["sensor_msgs/msg/RegionOfInterest"](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return TYPES[CAMERA_INFO](
        header=header(START), height=height, width=width, distortion_model="plumb_bob",
        d=np.zeros(5), k=matrix, r=np.eye(3).reshape(-1), p=np.zeros(12), binning_x=0, binning_y=0,
        roi=roi,
    )  # fmt: skip


def write_messages(path: Path, storage: str, topics: dict[str, tuple[str, list[Any]]]) -> None:
    """Write messages of topics at their headers' stamps."""
    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    with Writer(path, version=8, storage_plugin=plugin) as writer:
        for topic, (kind, messages) in topics.items():
            connection = writer.add_connection(topic, kind, typestore=STORE)
            for message in messages:
                stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
                writer.write(connection, stamp, STORE.serialize_cdr(message, kind))


def read_messages(path: Path) -> tuple[list[bytes], list[Any]]:
    """Return the skeletons of a bag, as bytes and as messages."""
    with AnyReader([path]) as reader:
        raw = [(time, bytes(data)) for _, time, data in reader.messages()]
        messages = [reader.deserialize(data, SKELETONS) for _, data in raw]
        stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages]
        assert stamps == [time for time, _ in raw]
        return [data for _, data in raw], messages


@pytest.fixture(scope="module")
def clip() -> Clip:
    """A part of the sample, at the time of day and to the nanosecond."""
    whole = load_clip(sample_path())
    return dataclasses.replace(
        whole, keypoints=whole.keypoints[:90], scores=whole.scores[:90],
        stamps=whole.stamps[:90] - whole.stamps[0] + START, truth=None,
    )  # fmt: skip


def test_the_messages_are_those_of_the_package() -> None:
    for name, definition in DEFINITIONS.items():
        own = (MESSAGES / f"{name.rsplit('/', 1)[1]}.msg").read_text()
        assert get_types_from_msg(definition, name) == get_types_from_msg(own, name)


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_a_bag_becomes_a_bag_of_the_same_bits_each_time_and_those_of_the_offline_lift(
    storage: str, clip: Clip, tmp_path: Path, pstmo: Command, shipped: Runtime
) -> None:
    messages = [people_message(clip, row) for row in range(len(clip))]
    info = [camera_info(clip.width, clip.height, 1000.0)]
    topics = {"/keypoints": (PEOPLE, messages), "/camera_info": (CAMERA_INFO, info)}
    write_messages(tmp_path / "bag", storage, topics)
    for name in ("first", "second"):
        arguments = ("lift", tmp_path / "bag", "-o", tmp_path / name, "--look-ahead", 4)
        code, _, err = pstmo(*arguments)
        assert code == 0, err
        suffix = "mcap" if storage == "mcap" else "db3"
        assert {path.name for path in (tmp_path / name).iterdir()} == {
            "metadata.yaml", f"{name}.{suffix}",
        }  # fmt: skip
    (raw, lifted), (again, _) = (
        read_messages(tmp_path / "first"),
        read_messages(tmp_path / "second"),
    )
    assert raw == again and len(raw) == len(clip)
    expected = lift_clip(clip, shipped, StreamConfig(look_ahead=4, focal=1000.0))
    for row, message in enumerate(lifted):
        people = [expected.ids.index(person.id) for person in message.people]
        joints = [person.joints.reshape(17, 3) for person in message.people]
        np.testing.assert_array_equal(joints, expected.joints[row, people])
        assert all(person.root_source == 1 and person.root.z > 0 for person in message.people)
        assert message.header.frame_id == "camera_optical"
    assert (
        sum(len(message.people) for message in lifted)
        == np.isfinite(expected.joints[..., 0, 0]).sum()
    )


def test_the_newest_stamp_is_the_one_that_was_waited_for() -> None:
    stamps = np.array([0, 10, 20, 15, 30, 40])
    assert newest_stamps(stamps, 0).tolist() == [0, 10, 20, 20, 30, 40]
    assert newest_stamps(stamps, 15).tolist() == [20, 30, 40, 30, 40, 40]


@pytest.mark.parametrize("start", [-(10**18), 2**31 * 10**9])
def test_stamps_that_no_message_holds_are_refused_in_a_sentence(
    start: int, clip: Clip, tmp_path: Path, pstmo: Command
) -> None:
    path = tmp_path / "clip.npz"
    save_clip(dataclasses.replace(clip, stamps=clip.stamps - clip.stamps[0] + start), path)
    code, _, err = pstmo("lift", path, "-o", tmp_path / "out.mcap")
    assert code == 2 and "a bag holds stamps from 1970 to 2038" in err
    assert (
        not (tmp_path / "out").exists() and pstmo("lift", path, "-o", tmp_path / "out.npz")[0] == 0
    )


def test_people_without_ids_are_told_apart(clip: Clip, tmp_path: Path, pstmo: Command) -> None:
    messages = [people_message(clip, row, named=False) for row in range(len(clip))]
    write_messages(tmp_path / "bag", "mcap", {"/keypoints": (PEOPLE, messages)})
    assert pstmo("lift", tmp_path / "bag", "-o", tmp_path / "out.npz")[0] == 0
    with np.load(tmp_path / "out.npz") as file:
        assert all(name.startswith("p") for name in file["ids"])
        assert np.isfinite(file["joints"][..., 0, 0]).any(1).mean() > 0.9


def test_images_in_a_bag_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pstmo: Command
) -> None:
    cv2 = pytest.importorskip("cv2", reason="images need OpenCV")
    from truth_detector import VIEW, TruthDetector, film

    from pstmo_core.lift import jobs

    images, in_camera = film(1, 30)
    stamps = [START + 40_000_000 * index for index in range(30)]
    raw = [
        TYPES[IMAGE](
            header=header(stamp), height=VIEW.height, width=VIEW.width, encoding="bgr8",
            is_bigendian=0, step=3 * VIEW.width, data=image.reshape(-1),
        )
        for stamp, image in zip(stamps, images, strict=True)
    ]  # fmt: skip
    packed = [
        TYPES[COMPRESSED_IMAGE](
            header=header(stamp), format="png", data=cv2.imencode(".png", image)[1].reshape(-1)
        )
        for stamp, image in zip(stamps, images, strict=True)
    ]
    info = [camera_info(VIEW.width, VIEW.height, VIEW.focal)]
    joints = []
    for name, kind, messages in (("raw", IMAGE, raw), ("packed", COMPRESSED_IMAGE, packed)):
        topics = {"/camera/image": (kind, messages), "/camera/camera_info": (CAMERA_INFO, info)}
        write_messages(tmp_path / name, "sqlite3", topics)
        detector = TruthDetector(VIEW.project(in_camera))
        monkeypatch.setattr(jobs, "_detector", lambda settings, live, found=detector: found)
        code, _, err = pstmo("lift", tmp_path / name, "-o", tmp_path / f"{name}.npz")
        assert code == 0, err
        with np.load(tmp_path / f"{name}.npz") as file:
            joints.append(file["joints"])
            assert np.isfinite(file["roots"]).all() and detector.calls == 30
    np.testing.assert_array_equal(joints[0], joints[1])


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_a_truncated_bag_ends_in_one_sentence(
    storage: str, clip: Clip, tmp_path: Path, pstmo: Command
) -> None:
    messages = [people_message(clip, row) for row in range(len(clip))]
    write_messages(tmp_path / "bag", storage, {"/keypoints": (PEOPLE, messages)})
    file = next(path for path in (tmp_path / "bag").iterdir() if path.suffix != ".yaml")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    code, _, err = pstmo("lift", tmp_path / "bag", "-o", tmp_path / "out")
    assert code == 2 and "truncated or damaged" in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["[" * 20_000, "a: 1\n" * 1_000_000], ids=["deep", "long"])
def test_a_description_of_a_bag_without_end_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text(text)
    with pytest.raises(BagError, match="is no description of a bag"), opened(tmp_path):
        pass


def test_a_pipe_in_a_bag_is_not_waited_for(clip: Clip, tmp_path: Path, pstmo: Command) -> None:
    messages = [people_message(clip, row) for row in range(3)]
    write_messages(tmp_path / "bag", "mcap", {"/keypoints": (PEOPLE, messages)})
    (data,) = (tmp_path / "bag").glob("*.mcap")
    data.unlink()
    os.mkfifo(data)
    code, _, err = pstmo("lift", tmp_path / "bag", "-o", tmp_path / "out.npz")
    assert code == 2 and "is a device or a pipe" in err


def test_a_bag_without_anything_to_lift_names_its_topics(tmp_path: Path, pstmo: Command) -> None:
    info = [camera_info(640, 480, 500.0)]
    write_messages(tmp_path / "bag", "mcap", {"/camera_info": (CAMERA_INFO, info)})
    code, _, err = pstmo("lift", tmp_path / "bag", "-o", tmp_path / "out")
    assert code == 2 and "neither keypoints" in err and "/camera_info" in err


def test_messages_without_stamps_are_lifted_by_the_time_of_recording(
    clip: Clip, tmp_path: Path, pstmo: Command
) -> None:
    lifted = []
    for name, every in (("none", 0), ("some", 10), ("all", 1)):
        messages = [people_message(clip, row) for row in range(len(clip))]
        plugin = StoragePlugin.MCAP
        with Writer(tmp_path / name, version=8, storage_plugin=plugin) as writer:
            connection = writer.add_connection("/keypoints", PEOPLE, typestore=STORE)
            for row, message in enumerate(messages):
                moment = int(clip.stamps[row]) + 5_000_000_000  # of another clock
                if every and row % every == 0:
                    message.header.stamp.sec = message.header.stamp.nanosec = 0
                writer.write(connection, moment, STORE.serialize_cdr(message, PEOPLE))
        code, out, err = pstmo("lift", tmp_path / name, "-o", tmp_path / f"{name}.npz")
        assert code == 0, err
        assert ("without a stamp" in out) == (name != "none")
        with np.load(tmp_path / f"{name}.npz") as file:
            lifted.append((file["joints"], file["stamps"]))
    for joints, _ in lifted[1:]:
        np.testing.assert_allclose(joints, lifted[0][0], atol=1e-4)
    np.testing.assert_allclose(lifted[1][1], lifted[0][1], atol=1e-5)


def test_images_that_cannot_be_decoded_are_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pstmo: Command
) -> None:
    cv2 = pytest.importorskip("cv2", reason="images need OpenCV")
    from truth_detector import VIEW, TruthDetector, film

    from pstmo_core.lift import jobs

    images, in_camera = film(1, 20)
    packed = [
        TYPES[COMPRESSED_IMAGE](
            header=header(START + 40_000_000 * index), format="png",
            data=cv2.imencode(".png", image)[1].reshape(-1),
        )
        for index, image in enumerate(images)
    ]  # fmt: skip
    packed[3].data = np.zeros(0, np.uint8)
    packed[7].data = packed[7].data[:40]
    packed[9].data = cv2.imencode(".png", images[9][:50])[1].reshape(-1)
    write_messages(tmp_path / "bag", "mcap", {"/image": (COMPRESSED_IMAGE, packed)})
    detector = TruthDetector(np.delete(VIEW.project(in_camera), [3, 7, 9], axis=0))
    monkeypatch.setattr(jobs, "_detector", lambda settings, live: detector)
    arguments = ("lift", tmp_path / "bag", "-o", tmp_path / "out.npz", "--overlay")
    code, out, err = pstmo(*arguments)
    assert code == 0, err
    assert "17 frames" in out and out.count("1 image left out") + out.count("2 images") >= 2
    with np.load(tmp_path / "out.npz") as file:
        assert np.isfinite(file["joints"]).all()
    for message in packed[:12]:
        message.data = np.zeros(0, np.uint8)
    write_messages(tmp_path / "worse", "mcap", {"/image": (COMPRESSED_IMAGE, packed)})
    code, _, err = pstmo("lift", tmp_path / "worse", "-o", tmp_path / "out2.npz")
    assert code == 2 and "half of the images or more" in err


def test_rectified_images_are_those_of_the_projection_matrix(
    clip: Clip, tmp_path: Path, pstmo: Command
) -> None:
    lens = camera_info(clip.width, clip.height, 800.0)
    lens.d = np.array([-0.3, 0.1, 0.0, 0.0, 0.0])
    lens.p = np.array([1000.0, 0, clip.width / 2, 0, 0, 1000.0, clip.height / 2, 0, 0, 0, 1, 0])
    ideal = camera_info(clip.width, clip.height, 1000.0)
    messages = [people_message(clip, row) for row in range(40)]
    roots = []
    for name, info, options in (
        ("ideal", ideal, ()), ("lens", lens, ("--rectified",)), ("raw", lens, ()),
    ):  # fmt: skip
        topics = {"/keypoints": (PEOPLE, messages), "/camera_info": (CAMERA_INFO, [info])}
        if name == "raw":
            topics["/camera/image_rect_color"] = (CAMERA_INFO, [])
        write_messages(tmp_path / name, "mcap", topics)
        code, out, err = pstmo("lift", tmp_path / name, "-o", tmp_path / f"{name}.npz", *options)
        assert code == 0, err
        assert ("give --rectified" in out) == (name == "raw")
        with np.load(tmp_path / f"{name}.npz") as file:
            roots.append(file["roots"])
    np.testing.assert_array_equal(roots[0], roots[1])
    assert np.nanmax(np.abs(roots[0] - roots[2])) > 0.05
    assert is_rectified("/camera/image_rect_color/compressed") and not is_rectified("/image_raw")


def test_a_layout_is_given_for_messages_that_name_none(
    clip: Clip, tmp_path: Path, pstmo: Command
) -> None:
    messages = [people_message(clip, row) for row in range(20)]
    for message in messages:
        message.layout = ""
    write_messages(tmp_path / "bag", "mcap", {"/keypoints": (PEOPLE, messages)})
    arguments = ("lift", tmp_path / "bag", "-o", tmp_path / "out.npz")
    code, _, err = pstmo(*arguments)
    assert code == 2 and "no layout is named ''" in err
    assert pstmo(*arguments, "--layout", clip.layout)[0] == 0


def test_passers_by_cost_what_they_are_seen_and_all_of_a_crowd_are_lifted(
    clip: Clip, tmp_path: Path, pstmo: Command
) -> None:
    messages = []
    for row in range(600):
        message = people_message(clip, row % len(clip))
        message.header = header(START + row * 33_333_333)
        message.people = message.people[:1]
        message.people[0].id = f"passer{row // 20}"
        messages.append(message)
    write_messages(tmp_path / "bag", "mcap", {"/keypoints": (PEOPLE, messages)})
    recording = bag_keypoints(tmp_path / "bag", "/keypoints", StreamConfig())
    assert len(recording.clip.ids) == 30 and recording.clip.points.shape == (600, 17, 2)
    assert people_at_once(recording.clip, 1.0) == 3
    options = ("--format", "npz,json", "--set", "bridge=0")
    code, _, err = pstmo("lift", tmp_path / "bag", "-o", tmp_path / "out", *options)
    assert code == 0, err
    with np.load(tmp_path / "out.npz") as file:
        known = np.isfinite(file["joints"]).all((-2, -1))
    own = np.arange(600)
    assert known[own, own // 20].all()
    absent = known.sum() - 600  # who has left is answered for as long as a miss is bridged
    assert absent <= 30 * StreamConfig.bridge * 30

    crowd = people_message(clip, 0)
    crowd.people = [dataclasses.replace(crowd.people[0], id=f"p{i}") for i in range(20)]
    crowds = [dataclasses.replace(crowd, header=header(START + i * 40_000_000)) for i in range(9)]
    write_messages(tmp_path / "crowd", "mcap", {"/keypoints": (PEOPLE, crowds)})
    arguments = ("lift", tmp_path / "crowd", "-o", tmp_path / "crowd.npz")
    code, out, _ = pstmo(*arguments)
    assert code == 0 and "not lifted" not in out
    with np.load(tmp_path / "crowd.npz") as file:
        assert np.isfinite(file["joints"]).all()
    code, out, _ = pstmo(*arguments, "--max-people", 16)
    assert code == 0 and "36 skeletons not lifted: more than 16 people at once" in out
