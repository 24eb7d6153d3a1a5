"""`pstmo lift` of keypoint files: what it writes, where people stand, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command import Command

from pstmo_core.camera import Camera
from pstmo_core.cli.app import words
from pstmo_core.keypoints.clip import Clip, load_clip, sample_path, save_clip
from pstmo_core.lift.bvh import write_bvh
from pstmo_core.lift.calibration import pinhole
from pstmo_core.lift.notes import losses
from pstmo_core.lift.outputs import file_names, frame_rate, write_bvh_files, write_npz
from pstmo_core.lift.settings import LiftSettings
from pstmo_core.runtime import Runtime, load_runtime, shipped_model
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip
from pstmo_core.streaming.root import stature

FPS = 25.0
VIEW = View(width=640, height=480, focal=560.0)


@pytest.fixture(scope="module")
def walkers() -> tuple[Clip, np.ndarray]:
    """A clip of two people's exact keypoints, and their joints (F, P, 17, 3) before the camera."""
    moving = MovingPeople.shipped(2)
    world = np.stack([moving.joints(index / FPS) for index in range(60)])
    in_camera = VIEW.to_camera(world)
    points = VIEW.project(in_camera).astype(np.float32)
    stamps = np.rint(np.arange(60) * 1e9 / FPS).astype(np.int64)
    ones = np.ones(points.shape[:3], np.float32)
    return Clip(points, ones, stamps, 640, 480, "h36m17", ("a", "b")), in_camera


def of_one(clip: Clip, person: int) -> Clip:
    """Return the clip of one of its people."""
    one = slice(person, person + 1)
    return dataclasses.replace(
        clip, keypoints=clip.keypoints[:, one], scores=clip.scores[:, one], ids=clip.ids[one]
    )


def write_calibration(path: Path, camera: Camera) -> None:
    """Write a calibration as ROS's camera_calibration does."""
    matrix = [camera.focal[0], 0.0, camera.centre[0], 0.0, camera.focal[1], camera.centre[1]]
    path.write_text(
        f"image_width: {camera.width}\nimage_height: {camera.height}\ncamera_name: test\n"
        f"camera_matrix:\n  rows: 3\n  cols: 3\n  data: {[*matrix, 0.0, 0.0, 1.0]}\n"
        f"distortion_model: {camera.model}\n"
        f"distortion_coefficients:\n  rows: 1\n  cols: 5\n  data: {list(camera.distortion)}\n"
    )


def test_a_keypoint_file_gives_the_numbers_of_the_streaming_core(
    tmp_path: Path, pstmo: Command, shipped: Runtime
) -> None:
    options = ("--look-ahead", 5, "--focal", 1000, "--backend", "onnxruntime", "--max-people", 1)
    code, out, _ = pstmo("lift", sample_path(), "-o", tmp_path / "o.npz", *options)
    assert code == 0 and "MPJPE" in out and "on ONNX Runtime" in out
    clip = load_clip(sample_path())
    camera = pinhole(1000, clip.width, clip.height)
    expected = lift_clip(clip, shipped, StreamConfig(look_ahead=5, max_people=1), camera=camera)
    with np.load(tmp_path / "o.npz") as file:
        for name, values in expected.arrays().items():
            np.testing.assert_array_equal(file[name], values)


@pytest.mark.parametrize(
    ("model", "options", "ahead"),
    [("", (), 13), ("stmo_live.onnx", (), 4), ("", ("--set", "look_ahead=0"), 0)],
)
def test_a_recording_is_lifted_with_the_delay_that_costs_it_nothing(
    tmp_path: Path, pstmo: Command, model: str, options: tuple[str, ...], ahead: int
) -> None:
    """Half the window, as in the paper; 160 ms with a streaming network."""
    path = shipped_model().with_name(model) if model else shipped_model()
    arguments = ("--model", path, "--backend", "onnxruntime", "--max-people", 2, *options)
    assert pstmo("lift", sample_path(), "-o", tmp_path / "o.npz", *arguments)[0] == 0
    config = StreamConfig(look_ahead=ahead, max_people=2)
    runtime = load_runtime(path, backend="onnxruntime")
    expected = lift_clip(load_clip(sample_path()), runtime, config).joints
    with np.load(tmp_path / "o.npz") as file:
        np.testing.assert_array_equal(file["joints"], expected)


def test_lists_are_spelled_with_commas_or_by_repeating(tmp_path: Path, pstmo: Command) -> None:
    for name, formats in (
        ("a", ("--format", "npz,json")),
        ("b", ("--format=npz", "--format=json")),
    ):
        assert pstmo("lift", sample_path(), "-o", tmp_path / name, *formats)[0] == 0
        assert {p.name for p in tmp_path.glob(f"{name}.*")} == {
            f"{name}.npz", f"{name}.json", f"{name}.lift.json",
        }  # fmt: skip
    assert words(("mean=1,2,3,pose_model=a.onnx", "std=4")) == (
        "mean=1,2,3", "pose_model=a.onnx", "std=4",
    )  # fmt: skip


def test_npz_json_and_bvh_say_the_same(
    walkers: tuple[Clip, np.ndarray], tmp_path: Path, pstmo: Command
) -> None:
    save_clip(walkers[0], tmp_path / "clip.npz")
    base = tmp_path / "out"
    formats = ("--format", "npz,json,bvh")
    assert pstmo("lift", tmp_path / "clip.npz", "-o", base, *formats, "--focal", 560)[0] == 0
    with np.load(base.with_suffix(".npz")) as file:
        arrays = dict(file)
    content = json.loads(base.with_suffix(".json").read_text())
    assert content["joint_names"] == list(arrays["joint_names"])
    assert [frame["stamp"] for frame in content["frames"]] == arrays["stamps"].tolist()
    for name, key in (("joints", "joints"), ("roots", "root"), ("confidence", "confidence")):
        values = [[person[key] for person in frame["people"]] for frame in content["frames"]]
        np.testing.assert_allclose(np.array(values, float), arrays[name], atol=1e-6)
    for person, name in enumerate(arrays["ids"]):
        write_bvh(
            tmp_path / "own.bvh", arrays["joints"][:, person], FPS, arrays["roots"][:, person]
        )
        written = (tmp_path / f"out.{name}.bvh").read_text()
        assert written == (tmp_path / "own.bvh").read_text()


def test_bvh_plays_at_a_steady_rate_what_was_recorded_unevenly(
    walkers: tuple[Clip, np.ndarray], tmp_path: Path, shipped: Runtime
) -> None:
    clip = walkers[0]
    kept = np.delete(np.arange(60), np.r_[20:25])
    gap = dataclasses.replace(
        clip, keypoints=clip.keypoints[kept], scores=clip.scores[kept], stamps=clip.stamps[kept]
    )
    assert frame_rate(gap.stamps) == pytest.approx(FPS)
    paths = write_bvh_files(tmp_path / "gap", lift_clip(gap, shipped, StreamConfig()))
    for path in paths:
        assert "Frames: 60" in path.read_text()


def test_every_person_gets_a_file_of_its_own_whatever_the_ids(
    walkers: tuple[Clip, np.ndarray], tmp_path: Path, pstmo: Command
) -> None:
    for ids in (("a/b", "a_b"), ("a", "A"), ("x" * 300, "x" * 299 + "y"), ("\u00fc" * 90, "..")):
        save_clip(dataclasses.replace(walkers[0], ids=ids), tmp_path / "clip.npz")
        for old in tmp_path.glob("out*"):
            old.unlink()
        code, out, err = pstmo("lift", tmp_path / "clip.npz", "-o", tmp_path / "out.bvh")
        assert code == 0, err
        written = {path.name.casefold() for path in tmp_path.glob("out.*.bvh")}
        assert len(written) == 2 and out.count(".bvh") == 2, ids
    assert file_names(["walker", "p1", "two words"]) == ["walker", "p1", "two_words"]


@pytest.mark.parametrize("jump", [1.7e9, 3600.0])
def test_a_clock_that_jumps_makes_no_endless_animation(
    jump: float, walkers: tuple[Clip, np.ndarray], tmp_path: Path, shipped: Runtime
) -> None:
    stamps = walkers[0].stamps + int(jump * 1e9)
    stamps[:2] -= int(jump * 1e9)
    clip = dataclasses.replace(walkers[0], stamps=stamps)
    for path in write_bvh_files(tmp_path / "jump", lift_clip(clip, shipped, StreamConfig())):
        assert "Frames: 60" in path.read_text()


def test_people_are_placed_where_they_stand(
    walkers: tuple[Clip, np.ndarray], shipped: Runtime
) -> None:
    camera = Camera(640, 480, (560.0, 560.0), (320.0, 240.0))
    for person in range(2):
        clip, truth = of_one(walkers[0], person), walkers[1][:, person]
        height = float(np.median(stature(truth - truth[:, :1])))
        lifted = lift_clip(clip, shipped, StreamConfig(height=height), camera=camera)
        error = np.linalg.norm(lifted.roots[:, 0] - truth[:, 0], axis=-1)
        assert np.median(error / np.linalg.norm(truth[:, 0], axis=-1)) < 0.05
        deviation = np.sqrt(lifted.root_covariance[:, 0, 2, 2])
        assert np.median(error / deviation) < 2


def test_a_lens_with_distortion_off_the_middle_makes_no_difference(
    walkers: tuple[Clip, np.ndarray], tmp_path: Path, pstmo: Command
) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
    clip, truth = walkers
    lens = Camera(640, 480, (500.0, 510.0), (300.0, 250.0), (-0.2, 0.05, 0.001, -0.001, 0.0))
    matrix = np.array([[500.0, 0, 300.0], [0, 510.0, 250.0], [0, 0, 1]])
    seen = cv2.projectPoints(
        truth.reshape(-1, 3), np.zeros(3), np.zeros(3), matrix, np.array(lens.distortion)
    )[0]
    bent = dataclasses.replace(clip, keypoints=seen.reshape(clip.keypoints.shape))
    roots = []
    for name, recorded, camera in (
        ("plain", clip, Camera(640, 480, (560.0, 560.0), (320.0, 240.0))),
        ("bent", bent, lens),
    ):
        save_clip(recorded, tmp_path / f"{name}.npz")
        write_calibration(tmp_path / f"{name}.yaml", camera)
        output = tmp_path / f"{name}_3d.npz"
        arguments = ("lift", tmp_path / f"{name}.npz", "-o", output)
        assert pstmo(*arguments, "--camera-info", tmp_path / f"{name}.yaml")[0] == 0
        with np.load(output) as file:
            roots.append(file["roots"])
    assert np.nanmedian(np.linalg.norm(roots[0] - roots[1], axis=-1)) < 0.05


def test_a_given_height_sets_everybodys_size_and_narrows_the_root_position(
    walkers: tuple[Clip, np.ndarray], shipped: Runtime
) -> None:
    camera = Camera(640, 480, (560.0, 560.0), (320.0, 240.0))
    assumed = lift_clip(walkers[0], shipped, StreamConfig(), camera=camera)
    given = lift_clip(walkers[0], shipped, StreamConfig(height=1.9), camera=camera)
    for person in range(2):
        heights = stature(given.joints[:, person])
        assert np.median(heights) == pytest.approx(1.9, abs=0.01)
    assert (given.root_covariance[..., 2, 2] < assumed.root_covariance[..., 2, 2]).all()
    assert (given.roots[..., 2] > assumed.roots[..., 2]).all()


def test_without_calibration_nobody_has_a_root_position(
    walkers: tuple[Clip, np.ndarray], shipped: Runtime, tmp_path: Path
) -> None:
    lifted = lift_clip(walkers[0], shipped, StreamConfig())
    assert np.isnan(lifted.roots).all()
    write_npz(tmp_path / "out.npz", lifted)
    with np.load(tmp_path / "out.npz") as file:
        assert "roots" not in file.files


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.mp4", None, "there is no such file"),
        ("empty.mp4", b"", "the file is empty"),
        ("noise.mp4", b"noise" * 100, "no video that can be decoded"),
        ("text.txt", b"words", "of no known kind"),
        ("photo.png", b"\x89PNG", "no image in it can be decoded"),
        ("clip.npz", b"noise", "not an npz file"),
        ("folder", None, "neither images"),
    ],
)
def test_what_cannot_be_lifted_ends_in_one_sentence_and_exit_code_2(
    name: str, content: bytes | None, sentence: str, tmp_path: Path, pstmo: Command
) -> None:
    pytest.importorskip("cv2", reason="needs OpenCV")
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    elif name == "folder":
        path.mkdir()
    code, _, err = pstmo("lift", path, "-o", tmp_path / "out.json")
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 2 and len(lines) == 1 and sentence in lines[0] and name in lines[0]
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-o", "out.xyz"), "by its suffix"),
        (("-o", "clip.npz"), "would replace an input"),
        (("-o", "x" * 250 + ".npz"), "too long a name"),
        (("-o", "out", "--format", "fbx"), "must be one of npz, json"),
        (("-o", "out.npz", "--height", "180"), "must be a number between"),
        (("-o", "out.npz", "--camera-info", "none.yaml"), "none.yaml: cannot be read"),
        (("-o", "out.npz", "--detector-option", "colour=red"), "no option of detectors"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    arguments: tuple[str, ...],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pstmo: Command,
) -> None:
    monkeypatch.chdir(tmp_path)
    save_clip(load_clip(sample_path()), tmp_path / "clip.npz")
    code, _, err = pstmo("lift", "clip.npz", *arguments)
    assert code == 2 and sentence in err
    assert [path.name for path in tmp_path.iterdir()] == ["clip.npz"]


def test_what_was_not_lifted_and_what_rests_on_little_is_said(
    tmp_path: Path, pstmo: Command
) -> None:
    clip = load_clip(sample_path())
    keypoints = clip.keypoints[:30].copy()
    keypoints[:, :, 5:] = np.nan
    few = dataclasses.replace(
        clip, keypoints=keypoints, scores=clip.scores[:30], stamps=clip.stamps[:30], truth=None
    )
    save_clip(few, tmp_path / "few.npz")
    code, out, _ = pstmo("lift", tmp_path / "few.npz", "-o", tmp_path / "out.npz")
    assert code == 0 and "nobody was lifted" in out and "fewer than 6 joints" in out
    code, _, err = pstmo("lift", tmp_path / "few.npz", "-o", tmp_path / "out.bvh")
    assert code == 2 and "nobody was lifted" in err and "nothing to write as BVH" in err
    for factor, sentence in ((30, "frames are 1 s apart"), (0.001, "frames lie within 0.012 s")):
        stamps = (clip.stamps * factor).astype(np.int64)
        save_clip(dataclasses.replace(clip, stamps=stamps), tmp_path / "odd.npz")
        code, out, _ = pstmo("lift", tmp_path / "odd.npz", "-o", tmp_path / "out2.npz")
        assert code == 0 and sentence in out


def test_what_was_not_lifted_is_counted_in_plain_words() -> None:
    lifted = SimpleNamespace(counters={"too_few_joints": 1, "late": 2, "other": 3}, frames=[0])
    assert losses(lifted, LiftSettings()) == (
        "1 skeleton not lifted: fewer than 6 joints are known (--set min_joints=...)",
        "2 frames not lifted: older than others by more than may be put in order",
    )
