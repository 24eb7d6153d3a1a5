"""The node's benchmark: the crowd it plays, the figures it writes, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.clip import load_clip, sample_path
from pstmo_ros.bench import _options, main
from pstmo_ros.bench.clip import crowd
from pstmo_ros.bench.latency import Scenario, _figures
from pstmo_ros.bench.overhead import PARTS


@pytest.mark.parametrize("people", [1, 3, 16])
def test_a_crowd_is_always_there_at_the_asked_rate_with_ids_of_its_own(people: int) -> None:
    clip = crowd(load_clip(sample_path()), people, 60.0, 500)
    assert clip.present(slice(None)).all()
    assert len(clip.ids) == people
    np.testing.assert_allclose(np.diff(clip.stamps), 1e9 / 60, atol=1)


def test_a_crowd_moves_as_the_sample_does_without_a_jump() -> None:
    sample = load_clip(sample_path())
    clip = crowd(sample, 4, 30.0, 900)
    shift = clip.keypoints[:, 2] - clip.keypoints[:, 0]
    assert np.nanmax(np.abs(shift[..., 1])) == 0
    assert np.nanmin(shift[..., 0]) == pytest.approx(np.nanmax(shift[..., 0]), abs=1e-3)
    together = sample.present(slice(None)).all(-1)
    steps = [np.linalg.norm(np.diff(k, axis=0), axis=-1) for k in (clip.keypoints[:, :2],)]
    usual = np.linalg.norm(np.diff(sample.keypoints[together], axis=0), axis=-1)
    assert np.nanmax(steps) == pytest.approx(np.nanmax(usual))


def test_lost_frames_are_those_without_an_answer_and_the_first_second_has_no_latency() -> None:
    scenario = Scenario(people=1, fps=10.0, seconds=3.0)
    stamps = np.arange(30) * 100_000_000
    latency = np.where(stamps < 1e9, 500_000_000, 4_000_000)
    answers = np.column_stack([stamps, stamps + latency])
    answers = np.delete(answers, [5, 20], axis=0)
    figures = _figures(answers, scenario)
    assert (figures["frames"], figures["lost"]) == (30, 2)
    assert figures["p99_ms"] == pytest.approx(4.0)
    with pytest.raises(PstmoError, match="play longer"):
        _figures(answers[:5], scenario)


def test_a_short_run_writes_both_reports(ros_domain: None, tmp_path: Path) -> None:
    short = ["--people", "1", "--fps", "20", "--seconds", "3", "--frames", "20"]
    assert main([*short, "-o", str(tmp_path)]) == 0
    overhead = json.loads((tmp_path / "node_overhead.json").read_text())
    parts = overhead["results"]["1"]
    assert all(parts[part]["median_ms"] > 0 for part in PARTS)
    assert parts["all"]["p99_ms"] >= parts["all"]["median_ms"]
    latency = json.loads((tmp_path / "latency_node.json").read_text())
    (played,) = latency["results"]
    assert played["frames"] == 60
    assert 0 <= played["lost"] < 60
    assert 0 < played["median_ms"] <= played["p99_ms"]
    assert played["cpu_share"] > 0
    assert "stmo_27.onnx" in played["runtime"]
    assert latency["rmw"] in (tmp_path / "latency_node.md").read_text()


def test_ctrl_c_ends_the_benchmark_and_its_nodes(ros_domain: None, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pstmo_ros.bench", "--only", "latency", "-o", str(tmp_path)]
    process = subprocess.Popen(command, cwd="/", stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(_children(process.pid)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    children = _children(process.pid)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not list(tmp_path.iterdir())


def test_sigterm_ends_the_measurement_in_one_process(ros_domain: None, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pstmo_ros.bench", "--only", "overhead", "-o", str(tmp_path)]
    process = subprocess.Popen(command, cwd="/", stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = b""
    while not re.search(rb"overhead: [1-9]\d*frame", said):
        said += process.stderr.read1()
    process.terminate()
    said += process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert not list(tmp_path.iterdir())


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def test_from_images_to_skeletons_a_short_run_writes_both_reports(
    ros_domain: None, tmp_path: Path
) -> None:
    short = ["--people", "1", "--fps", "10", "--seconds", "3", "--detector-threads", "1"]
    assert main(["--images", "--pose-model", "lightning", *short, "-o", str(tmp_path)]) == 0
    (result,) = json.loads((tmp_path / "latency_images.json").read_text())["results"]
    assert result["images"] >= 2 and 0 < result["median_ms"] <= result["p99_ms"]
    assert result["cpu_share"] > 0 and "MoveNet" in result["detector"]
    text = (tmp_path / "latency_images.md").read_text()
    assert "| 1 | 1 | MoveNet lightning | 10 |" in text and "bench --images" in text


def test_an_output_that_is_a_file_is_refused_before_anything_is_measured(
    ros_domain: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.md").write_text("mine")
    assert main(["--only", "overhead", "-o", str(tmp_path / "notes.md")]) == 1
    shown = capsys.readouterr()
    assert "notes.md: is not a folder" in shown.err and not shown.out


def test_help_shows_calls_that_can_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        _options(["--help"])
    assert end.value.code == 0
    shown = re.findall(
        r"^    ros2 run pstmo_ros bench (.+)$", capsys.readouterr().out, re.MULTILINE
    )
    first, second = (_options(call.split()) for call in shown)
    assert (first.people, first.fps, second.detector_threads) == ([1], [30.0], [1])
