"""What the documents say can be done: their commands run, from the installed wheel.

Commands are found in the documents (`documents.shown_commands`), so that a new one is run, or needs
a reason in `NOT_RUN`. Those of ROS 2 are in test/ros/test_document_commands.py. Long commands are
cut short (`SHORTER`), and files that cannot be had are made (`write_stand_ins`).
"""

from __future__ import annotations

import importlib
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import typer.main
from detector_files import (
    WRITERS,
    coco_clip,
    deeplabcut_rows,
    mediapipe_landmarks,
    table_rows,
    write_openpose,
    write_predictions,
    write_rows,
    write_videopose3d,
    write_yolo,
)
from documents import ROOT, Shown, documents, python_blocks, shown_commands
from library_wheel import Ending, InstalledWheel

from pstmo_core.cli.commands import app
from pstmo_core.keypoints.clip import sample_path, sample_video_path

#: History names what is no more.
COMMANDS = [each for each in shown_commands() if each.document != "CHANGELOG.md"]
TRAINING = ["optimiser.steps=2", "optimiser.decay_steps=1", "optimiser.batch=4",
            "validation_windows=4", "threads=1"]  # fmt: skip
DATASET = ["dataset.kind=h36m", "dataset.poses=data_3d_h36m.npz",
           "dataset.keypoints=data_2d_h36m_gt.npz", "dataset.tds=2", "model.step=0.04",
           "model.encoding=screen", "model.mofa_anchor=first", "model.frames=243"]  # fmt: skip
#: What is appended to commands whose text begins like this, so that they take seconds.
SHORTER: tuple[tuple[str, list[str]], ...] = (
    ("pstmo pretrain", TRAINING),
    ("pstmo train", TRAINING),
    ("pstmo experiments run", ["STMO-Live", *TRAINING, "--seeds", "1"]),
    ("pstmo calibrate", ["--windows", "100"]),
    (
        "pstmo bench live-cost",
        ["--turns", "1", "--seconds", "0.01", "--people", "1", "--frames", "400"],
    ),
)
#: Words that stand for something, by how the command begins, and what stands for them here.
MEANT: tuple[tuple[str, str, list[str]], ...] = (
    ("pstmo evaluate FILE --mocap", "FILE", ["person.safetensors"]),
    ("pstmo evaluate FILE --dataset", "FILE", ["screen.safetensors"]),
    ("pstmo train", "run.yaml", ["runs/lifter27_start/run.yaml"]),
    ("pstmo", "...", DATASET),
    ("pstmo lift", "*.mp4", ["walk.mp4", "run.mp4"]),
    ("pstmo bench real", "../shared/real", ["recordings"]),
    ("pstmo experiments", "../shared/real", ["recordings"]),
)


def exists(path: str) -> Callable[[Shown], bool]:
    return lambda _: (ROOT / path).is_file()


def not_ours(shown: Shown) -> bool:
    return not (ROOT / shown.words[0]).exists() and shown.words[0] not in ("pstmo", "torchrun")


def script_is_there(shown: Shown) -> bool:
    """The shell can read the script."""
    return subprocess.run(["bash", "-n", ROOT / shown.words[0]]).returncode == 0


def knows_its_options(shown: Shown) -> bool:
    """The program of the repository explains every option that is shown."""
    program = next(word for word in shown.words if word.startswith("scripts/"))
    said = subprocess.run(
        [sys.executable, ROOT / program, "--help"], text=True, capture_output=True, timeout=120
    ).stdout
    return all(word in said for word in shown.words if word.startswith("--"))


def runs_on_less(shown: Shown) -> bool:
    """test_scripts.py runs the script, which explains every option that is shown."""
    program = next(word for word in shown.words if word.startswith("scripts/"))
    tests = (ROOT / "test" / "training" / "test_scripts.py").read_text()
    return f'"{Path(program).stem}"' in tests and knows_its_options(shown)


def extra_exists(shown: Shown) -> bool:
    """The extra that is installed is one of this project's."""
    extras = re.findall(r"\.\[(\w+)\]", shown.text)
    declared = (ROOT / "pyproject.toml").read_text()
    return all(re.search(rf"^{extra} = \[", declared, re.MULTILINE) for extra in extras)


#: Why a command that begins like this is not run here, and what is checked of that.
NOT_RUN: tuple[tuple[str, str, Callable[[Shown], bool]], ...] = (
    ("ros2 ", "test/ros/test_document_commands.py runs it",
     exists("test/ros/test_document_commands.py")),
    ("scripts/convert_detectors/", "it needs npm, PyPI and minutes", script_is_there),
    ("scripts/demo.sh", "it sets the environment up; test/ros/test_demo_video.py runs the demo",
     exists("test/ros/test_demo_video.py")),
    ("scripts/avx2_only/", "test/core/test_avx2_only.py runs it",
     exists("test/core/test_avx2_only.py")),
    ("scripts/test", "it sets the environment up and runs these tests", script_is_there),
    ("pytest ", "it is a part of these tests", lambda shown: (ROOT / shown.words[1]).is_file()),
    ("pip install", "it asks a package registry", extra_exists),
    ("python3 -m pip install", "it asks a package registry", not_ours),
    ("pre-commit ", "it fetches the tools that its configuration names",
     exists(".pre-commit-config.yaml")),
    ("python3 -m venv", "library_wheel.py makes one", exists("test/support/library_wheel.py")),
    ("rosdep ", "it needs ROS 2 from Debian packages", not_ours),
    ("colcon ", "scripts/setup.sh has run it", not_ours),
    ("git ", "these tests run in a clone", not_ours),
    ("cd ", "it is the shell's", not_ours),
    ("source ", "it is the shell's", not_ours),
    ("export ", "it is the shell's", not_ours),
    ("tensorboard ", "it serves until it is stopped", not_ours),
    ("torchrun ", "test/training/test_distributed.py trains in two processes",
     exists("test/training/test_distributed.py")),
    ("python scripts/write_parameters.py", "test/ros/test_parameter_files.py compares its result",
     exists("test/ros/test_parameter_files.py")),
    ("python scripts/convert_motion ", "test/training/test_convert_motion.py runs it",
     knows_its_options),
    ("python scripts/", "test/training/test_scripts.py runs it on less", runs_on_less),
    ("scripts/measure_", "test/training/test_scripts.py runs it on less", runs_on_less),
    ("pstmo engine build", "test/core/test_tensorrt_live.py runs it on a stand-in for TensorRT",
     exists("test/core/test_tensorrt_live.py")),
    ("pstmo engine clear", "it empties the user's cache; test/core/test_engine_cache.py runs it",
     exists("test/core/test_engine_cache.py")),
    ("pstmo bench live ", "test/core/test_wheel.py runs it on less",
     exists("test/core/test_wheel.py")),
)  # fmt: skip


def reason(shown: Shown) -> tuple[str, Callable[[Shown], bool]] | None:
    """Return why a command is not run, and the check of it; None where it is run."""
    for beginning, why, holds in NOT_RUN:
        if shown.text.startswith(beginning):
            return why, holds
    return None


def is_complete(words: Sequence[str]) -> bool:
    """Check a command's name, options and values; return whether nothing is missing.

    Raises:
        Exception: typer's error, if an option or a subcommand does not exist, or a value cannot be.
    """
    command, rest = typer.main.get_command(app), list(words[1:])
    context = command.context_class(command, info_name="pstmo")
    while hasattr(command, "commands") and rest:
        name, command, rest = command.resolve_command(context, rest)
        context = command.context_class(command, context, info_name=name)
    if hasattr(command, "commands"):
        return False
    try:
        command.parse_args(context, rest)
    except Exception as error:  # typer brings classes of its own, or takes click's
        if type(error).__name__ == "MissingParameter":
            return False
        raise
    return True


def is_mention(shown: Shown) -> bool:
    """Say whether text between backticks names a command, or its form, rather than a call of it."""
    form = any(re.search(r"\b[A-Z]{2}|\.\.\.", word) for word in shown.words)
    groups = ("bench", "data", "engine", "experiments", "figures")
    bare = len(shown.words) == 2 + (shown.words[1] in groups)
    return shown.inline and (form or bare or not is_complete(shown.words))


OURS = [each for each in COMMANDS if each.words[0] == "pstmo"]
MENTIONED = [each for each in OURS if reason(each) is None and is_mention(each)]
RUN = [each for each in OURS if reason(each) is None and each not in MENTIONED]


def named(shown: Sequence[Shown]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shown", shown, ids=[each.name for each in shown])


def arguments(shown: Shown) -> list[str]:
    """Return the arguments with which a command is run here."""
    meant: list[str] = []
    for word in shown.words[1:]:
        for beginning, placeholder, instead in MEANT:
            if shown.text.startswith(beginning) and word == placeholder:
                meant += instead
                break
        else:
            meant.append(word)
    for beginning, more in SHORTER:
        if shown.text.startswith(beginning):
            meant += more
    if shown.words[1] == "evaluate" and "--dataset" not in meant and "sequences" not in meant:
        if "--windows" in meant:
            del meant[meant.index("--windows") :][:2]
        meant += ["--windows", "4"]
    return meant


def write_stand_ins(folder: Path, mocap: Path) -> None:
    """Write the files that documents name: the data sets', the detectors', videos, weights."""
    import imageio.v2 as imageio
    from random_networks import trained_looking
    from recorded_views import write_view
    from synthetic_datasets import write_3dhp_test, write_h36m

    from pstmo_core.model.checkpoints import save_weights
    from pstmo_core.model.config import ModelConfig

    (folder / "test" / "data").mkdir(parents=True)
    for name in (
        "cmu_h36m17.npz",
        "motion_more.npz",
        "own.npz",
        "own_val.npz",
        "test/data/mocap_excerpt.npz",
    ):
        shutil.copy(mocap, folder / name)
    (folder / "motion_more_replaces.txt").touch()
    (folder / "pstmo_core").mkdir()
    (folder / "pstmo_core" / "weights").symlink_to(ROOT / "pstmo_core" / "weights")
    (folder / "docs" / "images").mkdir(parents=True)
    shutil.copytree(ROOT / "docs" / "benchmarks", folder / "docs" / "benchmarks")
    images = imageio.get_reader(sample_video_path())
    for name in ("walk.mp4", "run.mp4"):
        with imageio.get_writer(folder / name, fps=30, ffmpeg_log_level="error") as video:
            for index in range(6):
                video.append_data(images.get_data(index))
    subjects = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
    for kind in ("gt", "cpn_ft_h36m_dbb"):
        write_h36m(folder, kind, subjects)
    write_3dhp_test(folder)
    for split in ("train", "val", "test"):
        (folder / "clips" / split).mkdir(parents=True)
        shutil.copy(sample_path(), folder / "clips" / split)
    (folder / "recordings").mkdir()
    points = np.random.default_rng(0).uniform(100, 600, (60, 17, 2))
    seen = np.concatenate([points, np.ones((60, 17, 1))], -1)
    write_view(folder / "recordings", coco17_thunder=seen)
    for encoding in ("person", "screen"):
        small = ModelConfig(layers=1, width=32, feedforward=32, sem_width=32, encoding=encoding)
        save_weights(trained_looking(small), folder / f"{encoding}.safetensors")
    # What scripts/fold_constants.py, which no package holds, makes in the model card.
    shutil.copy(
        ROOT / "pstmo_core" / "weights" / "stmo_27.safetensors", folder / "folded.safetensors"
    )
    write_detector_files(folder)


def write_detector_files(folder: Path) -> None:
    """Write the files of docs/formats.md, named as there."""
    clip = coco_clip(20)
    for name, writer in (
        ("results", "coco_results"), ("alphapose-results", "alphapose"), ("predictions", "mmpose"),
        ("poses", "tfjs"), ("gast", "gastnet"),
    ):  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(WRITERS[writer](clip)))
    (folder / "openpose_output").mkdir()
    write_openpose(folder / "openpose_output", clip)
    for name, write in (("labels", write_yolo), ("predictions", write_predictions)):
        (folder / name).mkdir()
        write(folder / name, clip)
    (folder / "landmarks.json").write_text(json.dumps(mediapipe_landmarks().tolist()))
    write_videopose3d(folder / "data_2d_custom_walk.npz", clip)
    (folder / "points.json").write_text(json.dumps(clip.keypoints[:, 0].tolist()))
    write_rows(folder / "points.csv", table_rows(clip, lambda name, axis: f"{axis}_{name}"))
    write_rows(folder / "dlc.csv", deeplabcut_rows(clip))


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory, mocap_file: Path) -> Path:
    pytest.importorskip("torch", reason="most commands need torch")
    folder = tmp_path_factory.mktemp("stand_ins")
    write_stand_ins(folder, mocap_file)
    return folder


@pytest.fixture(scope="module")
def endings(
    request: pytest.FixtureRequest,
    installed_wheel: InstalledWheel,
    tmp_path_factory: pytest.TempPathFactory,
    stand_ins: Path,
) -> dict[Shown, Ending]:
    """How commands ended: all of each document of which one is tested, in order, in a folder."""
    chosen = {
        item.callspec.params["shown"].document
        for item in request.session.items
        if getattr(item, "originalname", "") == test_a_command_runs_as_it_is_shown.__name__
    }
    commands = [[each for each in RUN if each.document == document] for document in sorted(chosen)]
    series = []
    for of_one in commands:
        folder = tmp_path_factory.mktemp("document") / "here"
        shutil.copytree(stand_ins, folder, symlinks=True)
        series.append((folder, [arguments(each) for each in of_one]))
    ended = itertools.chain(*installed_wheel.run_all(series))
    return dict(zip(itertools.chain(*commands), ended, strict=True))


@named(RUN)
def test_a_command_runs_as_it_is_shown(shown: Shown, endings: dict[Shown, Ending]) -> None:
    ending = endings[shown]
    assert ending.code == 0 and "Traceback" not in ending.output, ending.output


@named(MENTIONED)
def test_a_command_that_is_only_named_exists(shown: Shown) -> None:
    is_complete(shown.words)


@named([each for each in COMMANDS if reason(each) is not None])
def test_a_command_that_is_not_run_has_a_reason_that_holds(shown: Shown) -> None:
    why, holds = reason(shown) or ("", lambda _: False)
    assert holds(shown), f"{shown.name} is not run because {why}; that is not so"
    if shown.words[0] == "pstmo":
        assert is_complete(shown.words) or shown.inline


def test_every_command_is_run_or_has_a_reason() -> None:
    left = [each.name for each in COMMANDS if reason(each) is None and each.words[0] != "pstmo"]
    assert not left, "name them in NOT_RUN: " + "; ".join(left)
    assert len(RUN) >= 30
    for each in COMMANDS:
        if why := reason(each):
            print(f"not run: {each.name}: {why[0]}")


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_python_in_documents_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in python_blocks(path):
        exec(block, {})


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_links_files_and_names_in_documents_exist(path: Path) -> None:
    text = path.read_text()
    for target, section in re.findall(r"\]\(([^)#:\s]*)#([^)\s]+)\)", text):
        headings = re.findall(r"^#+ (.+)$", (path.parent / (target or path.name)).read_text(), re.M)
        slugs = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
        assert section in slugs, f"{target}#{section}"
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        assert target.startswith("https://") or (path.parent / target).exists(), target
    if path.name == "CHANGELOG.md":
        return
    files = r"`((?:pstmo_core|pstmo_ros|test|scripts|docs|msg|config|launch|examples)/[\w./]+)`"
    for target in re.findall(files, text):
        assert (ROOT / target).exists() or target.startswith("pstmo_ros/"), target
    for name in re.findall(r"`(pstmo(?:_core)?\.[\w.]+)`", text):
        assert is_defined(re.sub(r"^pstmo\.", "pstmo_core.", name)), name


def is_defined(name: str) -> bool:
    """Say whether a dotted name is a module, or is something in one."""
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ImportError:
        return hasattr(importlib.import_module(module), attribute)
    return True


def test_what_a_robot_needs_is_one_page_with_each_camera() -> None:
    """The rest is in robots_reference.md."""
    lines = (ROOT / "docs" / "robots.md").read_text().splitlines()
    assert len(lines) <= 80
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("| ")}
    assert {"RealSense", "OAK-D", "ZED", "webcam"} <= set(rows)
    assert all("image:=" in rows[name] for name in ("RealSense", "OAK-D", "ZED"))
    assert "## Not a safety device" in lines
