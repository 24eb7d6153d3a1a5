"""scripts/convert_motion: a researcher's own motion capture becomes a file that training reads."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import bones
import bvh
import clips
import numpy as np
import pytest
import torch
from asf_files import SHIN, THIGH, amc_text, asf_text
from typer import Typer
from typer.testing import CliRunner

from pstmo_core.data.motion.mocap import Mocap, load_mocap
from pstmo_core.data.motion.sampler import Sampler, SamplerConfig
from pstmo_core.data.motion.windows import Clips
from pstmo_core.keypoints.clip import load_clip, sample_path
from pstmo_core.lift.bvh import write_bvh
from pstmo_core.lift.outputs import write_bvh_files
from pstmo_core.model.config import ModelConfig
from pstmo_core.runtime import Runtime
from pstmo_core.skeleton import JOINT_NAMES
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip

SCRIPT = Path(__file__).parents[2] / "scripts" / "convert_motion"
Convert = Callable[..., str]


@pytest.fixture(scope="module")
def app() -> Typer:
    spec = importlib.util.spec_from_file_location("convert_motion", SCRIPT / "__main__.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    app = Typer()
    app.command()(script.main)
    return app


@pytest.fixture
def convert(app: Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Convert:
    """Call the script in the test's folder; returns what it says."""
    monkeypatch.chdir(tmp_path)

    def call(arguments: str, code: int = 0) -> str:
        ended = CliRunner().invoke(app, arguments.split())
        assert ended.exit_code == code, (ended.output, ended.exception)
        return ended.output

    return call


@pytest.fixture(scope="module")
def walk(mocap_file: Path) -> np.ndarray:
    """Four seconds of real motion (200, 17, 3), metres, z up."""
    return load_mocap(mocap_file).positions[:200].astype(float)


def save_bvh(path: Path, world: np.ndarray, unit: float = 0.01) -> None:
    """Write motion (F, 17, 3), metres, z up, at 50 frames/s, as a BVH file of some unit, y up."""
    seen = np.stack([world[..., 0], -world[..., 2], world[..., 1]], -1) * 0.01 / unit
    write_bvh(path, seen - seen[:, :1], 50.0, seen[:, 0])


def joint(motion: Mocap, name: str) -> np.ndarray:
    return motion.positions[:, JOINT_NAMES.index(name)]


def limbs(joints: np.ndarray) -> np.ndarray:
    """Directions (F, 8, 3) of thighs, shins and both parts of the arms."""
    pairs = [(JOINT_NAMES.index(a), JOINT_NAMES.index(b)) for limb in clips.LIMBS
             for a, b in pairwise(limb)]  # fmt: skip
    difference = np.stack([joints[:, b] - joints[:, a] for a, b in pairs], 1)
    return np.asarray(difference / np.linalg.norm(difference, axis=-1, keepdims=True))


def test_what_was_lifted_from_the_sample_comes_back(
    convert: Convert, shipped: Runtime, tmp_path: Path
) -> None:
    """The walker, who is there all the time, at 30 frames/s."""
    prediction = lift_clip(load_clip(sample_path()), shipped, StreamConfig())
    animation = write_bvh_files(tmp_path / "sample", prediction)[0]
    convert(f"{animation.name} -o own.npz --shortest 0.1")
    with np.load("own.npz") as file:
        ticks = np.concatenate([
            round(50 * float(begin)) + np.arange(length)
            for begin, length in zip(file["source_t0_s"], file["clip_len"], strict=True)
        ])  # fmt: skip
    shared = ticks % 5 == 0  # moments at which both rates have a frame
    assert shared.sum() > 100
    lifted = prediction.joints[ticks[shared] * 3 // 5, 0]
    expected = np.stack([lifted[..., 0], lifted[..., 2], -lifted[..., 1]], -1)
    found = load_mocap("own.npz").positions[shared]
    found = found - found[:, :1]
    # Bones of an animation keep one length, and pelvis and thorax one shape: 17 mm.
    assert np.linalg.norm(found - expected, axis=-1).mean() < 0.02
    turned = np.degrees(np.arccos(np.clip((limbs(found) * limbs(expected)).sum(-1), -1, 1)))
    assert turned.max() < 0.1


def test_a_bent_knee_of_asf_and_amc_is_where_geometry_says(
    convert: Convert, tmp_path: Path
) -> None:
    (tmp_path / "07.asf").write_text(asf_text())
    (tmp_path / "07_01.amc").write_text(amc_text(240, {"ltibia": [90.0]}))
    assert "1 clips of 1 files" in convert("07_01.amc -o own.npz --actor seven")
    motion = load_mocap("own.npz")
    assert motion.fps == 50 and len(motion.positions) == 100  # two seconds at 120 frames/s
    knee, ankle = joint(motion, "lknee"), joint(motion, "lankle")
    np.testing.assert_allclose(knee[:, 2], 0.9 - THIGH, atol=2e-4)
    np.testing.assert_allclose(ankle - knee, [[0, SHIN, 0]] * 100, atol=2e-4)  # backwards
    straight = joint(motion, "rankle") - joint(motion, "rhip")
    np.testing.assert_allclose(straight, [[0, 0, -THIGH - SHIN]] * 100, atol=2e-4)
    steps = np.diff(joint(motion, "hip"), axis=0)
    np.testing.assert_allclose(steps, [[0, -0.01 * 120 / 50, 0]] * 99, atol=1e-4)


def test_glitches_are_cut_out_and_clips_say_where_they_begin(
    convert: Convert, walk: np.ndarray, tmp_path: Path
) -> None:
    walk = walk.copy()
    walk[80] += 1.0
    save_bvh(tmp_path / "walk.bvh", walk)
    assert "2 clips of 1 files" in convert("walk.bvh -o own.npz")
    motion = load_mocap("own.npz")
    assert motion.clip.tolist() == ["walk+a", "walk+b"]
    begin = 80 - 2 - 6 + 1, 80 + 2 + 6
    assert motion.length[0] == pytest.approx(begin[0], abs=2)
    with np.load("own.npz") as file:
        assert file["source_t0_s"][1] == pytest.approx(begin[1] / 50, abs=0.04)
    assert np.abs(np.diff(motion.positions[: motion.length[0]], axis=0)).max() < 0.3
    assert "nothing is left" in convert("walk.bvh -o none.npz --shortest 9", code=2)


@pytest.mark.parametrize("unit", [1.0, 0.1, 0.0254, 0.001, 0.0254 / 0.45])
def test_units_are_recognised_by_the_legs(
    unit: float, convert: Convert, walk: np.ndarray, tmp_path: Path
) -> None:
    save_bvh(tmp_path / "cm.bvh", walk)
    save_bvh(tmp_path / "other.bvh", walk, unit)
    convert("cm.bvh -o cm.npz")
    convert("other.bvh -o other.npz")
    found, expected = load_mocap("other.npz").positions, load_mocap("cm.npz").positions
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_motion_with_z_up_is_noticed_and_converted_when_told(
    convert: Convert, walk: np.ndarray, tmp_path: Path
) -> None:
    save_bvh(tmp_path / "y.bvh", walk)
    save_bvh(tmp_path / "z.bvh", np.stack([walk[..., 0], -walk[..., 2], walk[..., 1]], -1))
    convert("y.bvh -o y.npz")
    assert "stand along z: say --up z" in convert("z.bvh -o z.npz", code=2)
    convert("z.bvh -o z.npz --up z")
    expected, found = load_mocap("y.npz").positions, load_mocap("z.npz").positions
    assert np.abs(expected - found).mean() < 0.02


def test_labels_come_from_the_index_and_training_reads_them(
    convert: Convert, walk: np.ndarray, tmp_path: Path
) -> None:
    save_bvh(tmp_path / "a.bvh", walk)
    save_bvh(tmp_path / "b.bvh", walk[:150])
    (tmp_path / "takes.csv").write_text(
        "file,actor,action,split,licence\na.bvh,anna,squat,,CC0\nb.bvh,bert,,val,\n"
    )
    convert("a.bvh b.bvh -o own.npz --index takes.csv --action daily")
    train, val = load_mocap("own.npz", "train"), load_mocap("own.npz", "val")
    assert (train.actor, train.action, train.licence) == (["anna"], ["squat"], ["CC0"])
    assert (val.actor, val.action, val.clip) == (["bert"], ["daily"], ["b"])
    generator = torch.Generator().manual_seed(1)
    model = ModelConfig(frames=27, layers=1, width=32, feedforward=32, sem_width=32)
    batch = Sampler(Clips.of(train, torch.device("cpu"), None), model, SamplerConfig(), generator)
    assert all(torch.isfinite(v).all() for v in vars(batch.draw(4)).values() if torch.is_tensor(v))


def test_a_person_in_two_splits_a_file_without_labels_and_a_name_given_twice_are_noted(
    convert: Convert, walk: np.ndarray, tmp_path: Path
) -> None:
    for name in "ab":
        save_bvh(tmp_path / f"{name}.bvh", walk[:100])
    (tmp_path / "takes.csv").write_text("file,split\na.bvh,val\n")
    said = convert("a.bvh b.bvh -o own.npz --index takes.csv --actor anna")
    assert "actor 'anna' is in train and val" in said
    assert "takes.csv has no line for b.bvh: labelled by the options" in said
    assert "such as 'a'" in convert("a.bvh a.bvh -o own.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2].rsplit("\n", 1)[0], "should have 200 frames, but"),
        (lambda text: text[: text.rindex(" ")], "not a multiple of its 39 channels: is it cut"),
        (lambda text: text[: text.index("CHANNELS") + 9], "has no line MOTION"),
        (lambda text: text.replace("CHANNELS 3", "CHANNELS 9999", 1), "not a complete BVH file"),
        (lambda text: text.replace("Frames: 200", "Frames: 999999999"), "too many at once"),
        (lambda text: text.replace("Time: 0.02", "Time: 9.02"), "its Frame Time is 9.02 s"),
        (lambda text: text.replace("rknee", "q"), "the nearest naming, pstmo, needs rknee, rkneee"),
        (lambda text: text.replace(" rhip", " r:hip"), "needs rhip as well"),
        (lambda text: text[: text.rindex(" ")] + " nan", "frame 200 has a number that is NaN"),
        (lambda text: text.replace("ROOT hip", "", 1), "has a bone without a name"),
        (lambda text: text.replace("OFFSET 0.0000", "OFFSET 1e999", 1), "is no length or angle"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named_with_what_is_wrong(
    change: Callable[[str], str],
    message: str,
    convert: Convert,
    walk: np.ndarray,
    tmp_path: Path,
) -> None:
    save_bvh(tmp_path / "walk.bvh", walk)
    text = (tmp_path / "walk.bvh").read_text()
    assert change(text) != text
    (tmp_path / "walk.bvh").write_text(change(text))
    said = convert("walk.bvh -o own.npz", code=2)
    assert said.startswith("convert_motion: walk.bvh: ") and message in said, said
    assert not (tmp_path / "own.npz").exists()


def test_faulty_amc_files_labels_and_names_are_refused(
    convert: Convert, walk: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "07_01.amc").write_text(amc_text(1, {}))
    (tmp_path / "07.asf").write_text(asf_text())
    assert "has only one frame" in convert("07_01.amc -o own.npz", code=2)
    (tmp_path / "07.asf").unlink()
    (tmp_path / "07_01.amc").write_text(amc_text(120, {}))
    assert "put the skeleton, such as 07.asf, into" in convert("07_01.amc -o own.npz", code=2)
    (tmp_path / "07.asf").write_text(asf_text().replace("dof rx\n", "dof rx ry\n"))
    assert "is that of another person?" in convert("07_01.amc -o own.npz", code=2)
    (tmp_path / "07.asf").write_text(asf_text().partition(":hierarchy")[0])
    assert "has no section :hierarchy" in convert("07_01.amc -o own.npz", code=2)
    (tmp_path / "takes.csv").write_text("file,acton\n07_01.amc,squat\n")
    said = convert("07_01.amc -o own.npz --index takes.csv", code=2)
    assert "line 2: column 'acton': did you mean action?" in said
    (tmp_path / "names.json").write_text(json.dumps({"rhip": "A"}))
    assert "has no bone for head" in convert("07_01.amc -o own.npz --names names.json", code=2)
    (tmp_path / "07.asf").write_text(asf_text())
    said = convert("07_01.amc -o own.npz --split trian", code=2)
    assert "split 'trian': did you mean train?" in said
    assert "must end in .bvh or .amc" in convert("names.json -o own.npz", code=2)


def test_bones_of_unknown_names_are_joints_with_a_table(
    convert: Convert, walk: np.ndarray, tmp_path: Path
) -> None:
    save_bvh(tmp_path / "walk.bvh", walk)
    convert("walk.bvh -o own.npz")
    text = (tmp_path / "walk.bvh").read_text()
    for name in JOINT_NAMES:
        text = text.replace(f" {name}\n", f" Bone_{name}\n")
    (tmp_path / "other.bvh").write_text(text)
    ends = {"rankle": "rkneeend", "lankle": "lkneeend", "head": "neck_noseend",
            "lwrist": "lelbowend", "rwrist": "relbowend"}  # fmt: skip
    table = {name: f"Bone_{ends.get(name, name)}" for name in JOINT_NAMES[1:]}
    (tmp_path / "names.json").write_text(json.dumps(table))
    convert("other.bvh -o other.npz --names names.json")
    found, expected = load_mocap("other.npz").positions, load_mocap("own.npz").positions
    np.testing.assert_array_equal(found, expected)


def test_no_input_is_replaced_and_sizes_are_bounded(
    convert: Convert, walk: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_bvh(tmp_path / "walk.bvh", walk)
    text = (tmp_path / "walk.bvh").read_text()
    assert "would replace an input" in convert("walk.bvh -o walk.bvh", code=2)
    assert (tmp_path / "walk.bvh").read_text() == text
    monkeypatch.setattr(bones, "MOST_PLACES", 1000)
    monkeypatch.setattr(clips, "MOST_FRAMES", 100)
    with pytest.raises(bones.MotionError, match="200 frames of 17 bones are too many at once"):
        bvh.parse_bvh(text)
    with pytest.raises(bones.MotionError, match="divide it into several files"):
        clips.resample(walk, 50.0)
    with pytest.raises(bones.MotionError, match="more than 1,000: divide it"):
        bones.read_text(tmp_path / "walk.bvh", 1000)


def test_the_folder_is_a_command(walk: np.ndarray, tmp_path: Path) -> None:
    save_bvh(tmp_path / "walk.bvh", walk)
    command = [sys.executable, SCRIPT, "walk.bvh", "-o", "own.npz", "--show-joints"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "walk.bvh rhip-rknee" in ended.stdout and "wrote own.npz: 1 clips" in ended.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.npz", "walk.bvh"]
