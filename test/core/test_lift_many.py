"""`pstmo lift` of many files: nothing is lifted twice, nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clip_files import write_clips
from command import Command
from lift_by_dying import die_once

import pstmo_core
from pstmo_core.errors import PstmoError
from pstmo_core.lift import pool
from pstmo_core.lift.jobs import Result
from pstmo_core.lift.plan import Job, plan
from pstmo_core.lift.pool import lift_in_processes
from pstmo_core.lift.settings import LiftSettings


def times(folder: Path) -> dict[str, int]:
    """Return when each output was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("clip?.npz")}


def started(*arguments: str) -> subprocess.Popen[bytes]:
    """Start the command `pstmo` in a process of its own."""
    # The same files as this process's: where the shipped network lies is one of the settings.
    library = Path(pstmo_core.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(library)}
    command = [sys.executable, "-m", "pstmo_core.cli", *arguments]
    return subprocess.Popen(command, env=environment, cwd="/", stderr=subprocess.DEVNULL)


def wait_for_outputs(process: subprocess.Popen[bytes], folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.lift.json"))) < count and time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it could be stopped"
        time.sleep(0.002)


def test_what_is_done_is_skipped_until_input_or_settings_change(
    tmp_path: Path, pstmo: Command
) -> None:
    clips = write_clips(tmp_path / "in", 2)
    arguments = ("lift", *clips, "-o", tmp_path / "out", "--format", "npz")
    assert pstmo(*arguments)[0] == 0
    first = times(tmp_path / "out")
    assert len(first) == 2
    assert "was done already" in pstmo(*arguments)[1]
    assert times(tmp_path / "out") == first
    write_clips(tmp_path / "in", 1)
    assert pstmo(*arguments)[0] == 0
    second = times(tmp_path / "out")
    assert second["clip0.npz"] > first["clip0.npz"] and second["clip1.npz"] == first["clip1.npz"]
    assert pstmo(*arguments, "--look-ahead", 2)[0] == 0
    third = times(tmp_path / "out")
    assert all(third[name] > second[name] for name in second)
    (tmp_path / "out" / "clip1.npz").unlink()
    assert pstmo(*arguments, "--look-ahead", 2)[0] == 0
    assert times(tmp_path / "out").keys() == third.keys()


def test_a_killed_run_goes_on_and_each_file_is_lifted_once(tmp_path: Path, pstmo: Command) -> None:
    clips = write_clips(tmp_path / "in", 8, 200)
    out = tmp_path / "out"
    arguments = ("lift", *map(str, clips), "-o", str(out), "--format", "npz")
    with started(*arguments) as process:
        wait_for_outputs(process, out, 2)
        process.send_signal(signal.SIGKILL)
    done = {path.name.removesuffix(".lift.json") for path in out.glob("*.lift.json")}
    assert 2 <= len(done) < len(clips)
    before = times(out)
    assert pstmo(*arguments)[0] == 0
    after = times(out)
    assert len(after) == len(clips) and not list(out.glob("*partial*"))
    assert {name for name in after if before.get(name) == after[name]} == {
        f"{name}.npz" for name in done
    }


def test_ctrl_c_leaves_whole_files_only(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 8, 2000)
    out = tmp_path / "out"
    arguments = ("lift", *map(str, clips), "-o", str(out), "--format", "npz", "--workers", "2")
    with started(*arguments) as process:
        wait_for_outputs(process, out, 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    written = list(out.glob("clip?.npz"))
    assert 1 <= len(written) < len(clips) and not list(out.glob("*partial*"))
    for path in written:
        with np.load(path) as file:
            assert all(len(file[name]) for name in file.files)


def test_two_workers_give_the_bits_of_one_and_a_bad_file_stops_nobody(
    tmp_path: Path, pstmo: Command
) -> None:
    clips = write_clips(tmp_path / "in", 3)
    bad = tmp_path / "in" / "bad.npz"
    bad.write_bytes(b"noise")
    for folder, workers in (("one", 1), ("two", 2)):
        arguments = ("lift", *clips, bad, "-o", tmp_path / folder, "--format", "npz")
        code, _, err = pstmo(*arguments, "--workers", workers)
        assert code == 1 and err.count("error: ") == 1 and "bad.npz: is not an npz file" in err
    for clip in clips:
        with np.load(tmp_path / "one" / clip.name) as a, np.load(tmp_path / "two" / clip.name) as b:
            for name in a.files:
                np.testing.assert_array_equal(a[name], b[name])
    assert not (tmp_path / "two" / "bad.npz").exists()


def test_a_worker_that_dies_costs_nothing_but_time(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 3)
    clips[1] = clips[1].rename(clips[1].with_name("doomed.npz"))
    jobs, _ = plan(list(map(str, clips)), tmp_path / "out", ["npz"])
    (tmp_path / "out").mkdir()
    results: list[Result] = []
    shares: list[float] = []
    lift_in_processes(jobs, LiftSettings(), False, 2, results.append, shares.append, run=die_once)
    assert (tmp_path / "out" / "died").exists()
    assert sorted(result.job.source for result in results) == sorted(map(str, clips))
    assert all(not result.error and Path(result.outputs[0]).exists() for result in results)
    assert shares[-1] == len(jobs)


def test_an_input_whose_turn_comes_as_a_worker_dies_is_lifted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = []

    class Dying(ProcessPoolExecutor):
        """Its workers are gone when the third input is given to them."""

        def submit(self, *arguments: Any, **named: Any) -> Any:
            submitted.append(arguments)
            if len(submitted) == 3:
                for process in list(self._processes.values()):
                    process.kill()
                while not self._broken:
                    time.sleep(0.01)
            return super().submit(*arguments, **named)

    monkeypatch.setattr(pool, "ProcessPoolExecutor", Dying)
    clips = write_clips(tmp_path / "in", 3)
    jobs, _ = plan(list(map(str, clips)), tmp_path / "out", ["npz"])
    (tmp_path / "out").mkdir()
    results: list[Result] = []
    lift_in_processes(jobs, LiftSettings(), False, 2, results.append, lambda done: None)
    assert len(submitted) > 3
    assert sorted(result.job.source for result in results) == sorted(map(str, clips))
    assert not any(result.error for result in results)


def test_workers_end_with_their_parent_however_it_ends(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 4, 300)
    for number, end in enumerate((signal.SIGTERM, signal.SIGKILL)):
        out = tmp_path / f"out{number}"
        arguments = ("lift", *map(str, clips), "-o", str(out), "--format", "npz", "--workers", "2")
        with started(*arguments) as process:
            wait_for_outputs(process, out, 1)
            workers = children(process.pid)
            assert len(workers) >= 2
            process.send_signal(end)
            assert process.wait(30) in (143, -signal.SIGKILL)
        deadline = time.monotonic() + 20
        while any(map(alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(map(alive, workers))


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except OSError:
        return False
    return state != "Z"


def test_neighbours_of_an_output_are_left_alone(tmp_path: Path, pstmo: Command) -> None:
    (clip,) = write_clips(tmp_path, 1)
    mine = ["out.old", "out.partial", "out.npz.partial", "clip0.partial.npz", "out.partial.npz"]
    for name in mine:
        (tmp_path / name).mkdir() if name.startswith("out.") and name.count(".") == 1 else (
            tmp_path / name
        ).write_bytes(clip.read_bytes())
    for name in ("out.old", "out.partial"):
        (tmp_path / name / "kept").write_text("mine")
    for arguments in (("--format", "mcap,npz"), ("--format", "mcap,npz", "--force")):
        code, _, err = pstmo("lift", clip, "-o", tmp_path / "out", *arguments)
        assert code == 0, err
    assert pstmo("lift", tmp_path / "clip0.partial.npz", "-o", tmp_path / "clip0.3d.npz")[0] == 0
    made = {"clip0.npz", "out", "out.npz", "out.lift.json", "clip0.3d.npz", "clip0.3d.lift.json"}
    assert {path.name for path in tmp_path.iterdir()} == {*mine, *made}
    assert all((tmp_path / name / "kept").exists() for name in ("out.old", "out.partial"))


def test_what_lift_did_not_write_is_not_replaced(tmp_path: Path, pstmo: Command) -> None:
    clip, other = write_clips(tmp_path, 2)
    recording = other.read_bytes()
    (tmp_path / "notes.json").write_text('{"mine": 1}')
    for output in (other, tmp_path / "notes.json"):
        code, _, err = pstmo("lift", clip, "-o", output)
        assert code == 2 and "was not written by `pstmo lift`" in err and "--force" in err
    assert other.read_bytes() == recording
    for path in ("/dev/null", tmp_path / "in.npz"):
        (tmp_path / "in.npz").mkdir(exist_ok=True)
        code = pstmo("lift", clip, "-o", path, "--format", "npz", "--force")[0]
        assert code == (2 if path == "/dev/null" else 0)
    assert Path("/dev/null").is_char_device() and not Path("/dev/null.npz").exists()
    assert pstmo("lift", clip, "-o", other, "--force")[0] == 0
    assert other.read_bytes() != recording
    code, _, err = pstmo("lift", clip, "-o", clip, "--force")
    assert code == 2 and "would replace an input" in err
    (tmp_path / "link.npz").symlink_to(clip)
    code, _, err = pstmo("lift", tmp_path / "link.npz", "-o", clip)
    assert code == 2 and "would replace an input" in err


def test_files_that_resemble_those_of_lift_are_not_replaced(tmp_path: Path, pstmo: Command) -> None:
    """Such as a BVH of the CMU's motion capture, whose root is called hip, too."""
    (clip,) = write_clips(tmp_path, 1)
    assert pstmo("lift", clip, "-o", tmp_path / "own.bvh")[0] == 0
    own = tmp_path / "own.bvh"
    foreign = {
        "out.bvh": "HIERARCHY\nROOT hip\n{\n\tOFFSET 0 0 0\n",
        "two.bvh": own.read_text().replace("JOINT thorax", "JOINT chest"),
        "out.json": '{"joint_names": ["hip", "knee"], "mine": 1}',
        "out.lift.json": '{"input": 1, "mine": 2}',
    }
    for name, text in foreign.items():
        (tmp_path / name).write_text(text)
    for name in ("out.bvh", "two.bvh", "out.json", "out.npz"):
        code, _, err = pstmo("lift", clip, "-o", tmp_path / name)
        assert code == 2 and "was not written by `pstmo lift`" in err
    assert all((tmp_path / name).read_text() == text for name, text in foreign.items())
    (tmp_path / "own.lift.json").unlink()  # as after a kill before it was written
    assert pstmo("lift", clip, "-o", tmp_path / "own.bvh")[0] == 0


def test_outputs_that_could_be_two_inputs_are_refused(tmp_path: Path) -> None:
    for name in ("a.npz", "a.b.npz", "A.json", "a.keypoints.npz", "a.mp4"):
        (tmp_path / name).write_bytes(b"x")

    def refused(*inputs: str, formats: str) -> bool:
        try:
            plan([str(tmp_path / name) for name in inputs], tmp_path / "out", [formats])
        except PstmoError:
            return True
        return False

    assert refused("a.npz", "a.b.npz", formats="bvh")
    assert not refused("a.npz", "a.b.npz", formats="npz")
    assert refused("a.npz", "A.json", formats="npz")
    assert refused("a.mp4", "a.keypoints.npz", formats="npz")


def test_names_that_are_no_text_are_lifted(tmp_path: Path, pstmo: Command) -> None:
    (clip,) = write_clips(tmp_path, 1)
    name = tmp_path / os.fsdecode(b"caf\xe9.npz")
    clip.rename(name)
    code, out, _ = pstmo("lift", name, "-o", tmp_path / os.fsdecode(b"sk\xe9lettes.json"))
    assert code == 0 and "sk\\udce9lettes.json" in out
    assert (tmp_path / os.fsdecode(b"sk\xe9lettes.json")).exists()


def test_two_inputs_of_one_name_are_refused(tmp_path: Path, pstmo: Command) -> None:
    a, b = write_clips(tmp_path / "a", 1)[0], write_clips(tmp_path / "b", 1)[0]
    code, _, err = pstmo("lift", a, b, "-o", tmp_path / "out", "--format", "json")
    assert code == 2 and "would both become" in err


def test_a_folder_that_is_no_bag_is_never_replaced_by_one(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 2)
    (tmp_path / "out" / "clip0").mkdir(parents=True)
    with pytest.raises(Exception, match="exists and is not a bag"):
        plan(list(map(str, clips)), tmp_path / "out", ["mcap"])
    jobs, formats = plan([str(clips[0])], tmp_path / "one.json", [])
    assert jobs == [Job(str(clips[0]), str(tmp_path / "one"), "keypoints")] and formats == ("json",)
