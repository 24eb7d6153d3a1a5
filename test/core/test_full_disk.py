"""A full disk: every writer leaves the old file whole, nothing else behind, and says so."""

from __future__ import annotations

import dataclasses
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import Command
from small_disk import SmallDisk, small_disk

from pstmo_core.atomic_files import NoRoomError, atomic_file, write_text
from pstmo_core.keypoints.clip import Clip, load_clip, sample_path, save_clip
from pstmo_core.lift import outputs
from pstmo_core.runtime import Runtime
from pstmo_core.streaming.lift_clip import Prediction, lift_clip

Writer = Callable[[Path, Clip, Prediction], object]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture(scope="module")
def clip() -> Clip:
    whole = load_clip(sample_path())
    return dataclasses.replace(
        whole,
        keypoints=whole.keypoints[:30],
        scores=whole.scores[:30],
        stamps=whole.stamps[:30],
        truth=None,
    )


@pytest.fixture(scope="module")
def lifted(clip: Clip, shipped: Runtime) -> Prediction:
    return lift_clip(clip, shipped)


def bag_writer(storage: str) -> Writer:
    def write(path: Path, clip: Clip, lifted: Prediction) -> None:
        pytest.importorskip("rosbags", reason="needs rosbags")
        from pstmo_core.lift.skeleton_bags import write_bag

        write_bag(path, lifted, storage, "camera", 0)

    return write


def overlay(path: Path, clip: Clip, lifted: Prediction) -> None:
    from pstmo_core.lift.overlay import write_overlay

    write_overlay(path, clip, lifted)


def figure(path: Path, clip: Clip, lifted: Prediction) -> None:
    pytest.importorskip("matplotlib", reason="needs Matplotlib")
    from pstmo_core.figures.canvas import new_figure, save

    drawn = new_figure(3, 3)
    drawn.subplots().plot([1, 2])
    save(drawn, path)


WRITERS: dict[str, Writer] = {
    "skeletons.npz": lambda path, clip, lifted: lifted.save(path),
    "skeletons.json": lambda path, clip, lifted: outputs.write_json(path, lifted),
    "skeletons.bvh": lambda path, clip, lifted: outputs.write_bvh_files(
        path.with_suffix(""), lifted
    ),
    "keypoints.npz": lambda path, clip, lifted: save_clip(clip, path),
    "text.md": lambda path, clip, lifted: write_text(path, "words " * 3000),
    "bag_of_mcap": bag_writer("mcap"),
    "bag_of_sqlite": bag_writer("sqlite3"),
    "overlay.mp4": overlay,
    "figure.png": figure,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_what_was_there_and_says_so(
    name: str, disk: SmallDisk, clip: Clip, lifted: Prediction
) -> None:
    path, write = disk.folder / name, WRITERS[name]
    write(path, clip, lifted)
    before = disk.contents()
    assert before
    for room in (0, max(map(len, before.values())) // 2):
        disk.fill(room)
        with pytest.raises(NoRoomError, match=r"cannot be written \(.*\); what was there is unch"):
            write(path, clip, lifted)
        assert disk.contents() == before
        disk.free()
    write(path, clip, lifted)


def test_a_new_output_that_finds_no_room_leaves_nothing(disk: SmallDisk) -> None:
    disk.fill()
    with pytest.raises(NoRoomError, match="text.md: cannot be written .*nothing is left of it"):
        write_text(disk.folder / "text.md", "words")
    assert not disk.contents()


def test_lift_says_in_one_sentence_that_the_disk_is_full(
    disk: SmallDisk, clip: Clip, tmp_path: Path, pstmo: Command
) -> None:
    save_clip(clip, tmp_path / "clip.npz")
    disk.fill()
    code, _, said = pstmo("lift", tmp_path / "clip.npz", "-o", disk.folder / "out.npz")
    assert code == 2 and "Traceback" not in said
    assert "out.npz: cannot be written (No space left on device)" in said
    assert not disk.contents()


def test_the_users_own_limit_on_files_is_a_full_disk_too(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(NoRoomError, match="File too large"), atomic_file(path) as partial:
            partial.write_bytes(bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1
