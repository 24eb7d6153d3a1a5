"""TensorRT by a stand-in: whatever goes wrong ends in a working runtime that says what happened."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from stand_in_gpu import CONFIG, build_in_this_process, stand_in_gpu

from pstmo_core.encoding import input_shape
from pstmo_core.runtime import onnx, shipped_model
from pstmo_core.runtime.base import Runtime
from pstmo_core.runtime.tensorrt import backend as tensorrt
from pstmo_core.runtime.tensorrt.backend import TensorRtRuntime, check, load_engine
from pstmo_core.runtime.tensorrt.build import (
    build_apart,
    window_graph,
)
from pstmo_core.runtime.tensorrt.engine_cache import EngineCache
from pstmo_core.runtime.tensorrt.engine_files import EngineError
from pstmo_core.runtime.tensorrt.machine import GpuMachine
from pstmo_core.runtime.tensorrt.serve_while_building import ServesWhileBuilding

MODEL = shipped_model()


@pytest.fixture(scope="module")
def cpu() -> Runtime:
    return onnx.load(MODEL, 1, "fp32")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> GpuMachine:
    return stand_in_gpu(monkeypatch)


class Desk:
    """Gets engines, and keeps what was said."""

    def __init__(self, folder: Path, cpu: Runtime, machine: GpuMachine) -> None:
        self.cache, self.cpu, self.machine = EngineCache(folder), cpu, machine
        self.lines: list[str] = []

    @property
    def said(self) -> str:
        return "\n".join(self.lines)

    def load(self) -> TensorRtRuntime:
        return load_engine(MODEL, self.cpu, self.machine, CONFIG, self.cache, self.lines.append)

    def serve(self) -> ServesWhileBuilding:
        return ServesWhileBuilding(self.cpu, self.load, self.lines.append)

    def file(self, end: str) -> Path:
        return next(self.cache.folder.glob(f"*{end}"))


@pytest.fixture
def apart(tmp_path: Path, cpu: Runtime, machine: GpuMachine) -> Desk:
    """Builds in processes of their own, as it is."""
    return Desk(tmp_path / "engines", cpu, machine)


@pytest.fixture
def desk(apart: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    build_in_this_process(monkeypatch)
    return apart


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No build ends before this file is there."""
    monkeypatch.setenv("FAKE_TRT_GO", str(tmp_path / "go"))
    return tmp_path / "go"


def _windows(cpu: Runtime, people: int, seed: int = 1) -> np.ndarray:
    shape = (people, cpu.config.frames, *input_shape(cpu.config.encoding))
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _assert_serves(runtime: Runtime, cpu: Runtime) -> None:
    """Whoever serves computes what the CPU computes."""
    for people in (1, 3):
        windows = _windows(cpu, people)
        np.testing.assert_allclose(runtime.lift(windows), cpu.lift(windows), atol=1e-5)


@pytest.mark.parametrize("people", [1, 3, 19])
@pytest.mark.parametrize("frame", [None, 26])
def test_an_engine_computes_what_onnx_runtime_does(
    people: int, frame: int | None, desk: Desk
) -> None:
    engine = desk.load()
    for seed in range(3):  # the first prepares a graph, the others replay it
        windows = _windows(desk.cpu, people, seed)
        expected = desk.cpu.lift(windows, frame)
        np.testing.assert_allclose(engine.lift(windows, frame), expected, atol=1e-5)
    assert desk.machine.driver.launches > 0
    assert "CUDA graphs" in engine.describe() and "fake_tensorrt 10.3.0" in engine.describe()


def test_an_engine_gives_back_its_memory(desk: Desk) -> None:
    engine = desk.load()
    engine.lift(_windows(desk.cpu, 2))
    assert desk.machine.driver.memory and desk.machine.driver.graphs
    del engine
    assert not desk.machine.driver.memory and not desk.machine.driver.graphs


def _steps(runtime: Runtime, cpu: Runtime, at: dict[int, Callable[[], object]]) -> None:
    """Stream 60 frames with kept rows; at some of them something happens."""
    length, shape = cpu.config.frames, input_shape(cpu.config.encoding)
    frames = np.random.default_rng(2).standard_normal((60, *shape)).astype(np.float32)
    kept = np.empty((0, runtime.row_width), np.float32)
    for now in range(60):
        at.get(now, lambda: None)()
        index = np.clip(np.arange(now - length + 1, now + 1), 0, None)[None]
        poses, rows = runtime.step(frames[now : now + 1], kept, index)
        kept = np.concatenate([kept, rows])
        np.testing.assert_allclose(poses, cpu.lift(frames[index]), atol=1e-5)


def test_a_stream_goes_from_cpu_to_engine_and_back_without_a_seam(desk: Desk, go: Path) -> None:
    runtime = desk.serve()

    def change() -> None:
        go.touch()
        assert runtime.engine.wait(60)

    def lose() -> None:
        desk.machine.driver.lost = True

    _steps(runtime, desk.cpu, {20: change, 40: lose})
    assert runtime.engine.counters == {"steps_on_cpu": 40, "steps_on_gpu": 20, "gpu_lost": 1}
    assert "from now on" in desk.said and "the CPU serves from now on: the GPU failed" in desk.said


def test_the_cpu_serves_while_the_engine_is_built(apart: Desk, go: Path) -> None:
    desk, runtime = apart, apart.serve()
    _assert_serves(runtime, desk.cpu)
    assert not runtime.engine.wait(0)
    assert runtime.engine.counters == {"steps_on_cpu": 2}
    assert runtime.backend == "onnxruntime" and "being loaded or built" in runtime.describe()
    go.touch()
    assert runtime.engine.wait(60)
    _assert_serves(runtime, desk.cpu)
    assert runtime.engine.counters == {"steps_on_cpu": 2, "steps_on_gpu": 2}
    assert runtime.backend == "tensorrt" and "fake_tensorrt" in runtime.describe()


def test_a_build_says_that_it_is_under_way(go: Path) -> None:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if len(said) > 3:
            go.touch()

    build_apart(window_graph(MODEL), CONFIG, say, "net.onnx", progress=0.1)
    assert said[0].startswith("building a TensorRT engine of net.onnx, fp32")
    assert all(text.startswith("still building a TensorRT engine of net") for text in said[1:])
    assert len(said) > 3


def _rewrite(desk: Desk, change: Callable[[bytes], bytes]) -> None:
    """Change an engine file and let the sidecar agree, as if it had been built so."""
    plan = change(desk.file(".engine").read_bytes())
    desk.file(".engine").write_bytes(plan)
    sidecar = json.loads(desk.file(".json").read_text())
    sidecar["plan_sha256"] = hashlib.sha256(plan).hexdigest()
    desk.file(".json").write_text(json.dumps(sidecar))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda plan: plan[: len(plan) // 2], "TensorRT does not take it"),
        (lambda plan: b"\0" * len(plan), "TensorRT does not take it"),
        (lambda plan: plan.replace(b'"10.3.0"', b'"8.6.1"', 1), "built by another version"),
        (lambda plan: plan.replace(b"Stand-in", b"Some other", 1), "built for another device"),
        (lambda plan: plan.replace(b'"nonsense": false', b'"nonsense": true', 1), "differs from"),
    ],
    ids=["truncated", "corrupted", "foreign version", "foreign GPU", "nonsense"],
)
def test_a_kept_engine_that_tensorrt_refuses_is_built_again(
    change: Callable[[bytes], bytes], reason: str, desk: Desk
) -> None:
    desk.load()
    _rewrite(desk, change)
    runtime = desk.serve()
    assert runtime.engine.wait(60)
    assert reason in desk.said and "is built again" in desk.said
    assert runtime.backend == "tensorrt" and "engine loaded" not in desk.said
    _assert_serves(runtime, desk.cpu)
    desk.load()
    assert "engine loaded" in desk.said


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("refuse", "no kernel for this layer"),
        ("die", "the build ended with code -11"),
        ("nonsense", "differs from ONNX Runtime by"),
    ],
)
def test_where_no_engine_comes_of_it_the_cpu_goes_on(
    fault: str, reason: str, apart: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRT_FAULT", fault)
    desk = apart
    runtime = desk.serve()
    assert runtime.engine.wait(60)
    _assert_serves(runtime, desk.cpu)
    assert runtime.backend == "onnxruntime"
    assert reason in runtime.describe()
    assert "the CPU goes on serving" in desk.said
    assert not list(desk.cache.folder.glob("*.engine"))


def test_without_a_folder_for_engines_one_is_built_in_memory(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    desk.cache = EngineCache(tmp_path / "file" / "engines")
    runtime = desk.serve()
    assert runtime.engine.wait(60)
    assert runtime.backend == "tensorrt" and "for this process alone" in desk.said
    _assert_serves(runtime, desk.cpu)


def test_two_that_need_the_same_engine_build_it_once(
    desk: Desk, tmp_path: Path, go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRT_LOG", str(tmp_path / "log"))
    runtimes = [desk.serve(), desk.serve()]
    _wait_until(lambda: any("waiting for it" in line for line in desk.lines))
    go.touch()
    assert all(runtime.engine.wait(60) for runtime in runtimes)
    assert [runtime.backend for runtime in runtimes] == ["tensorrt"] * 2
    assert len((tmp_path / "log").read_text().splitlines()) == 1


#: A process that begins to build an engine in the background, and waits for it.
BUILDER = """
import sys
from pathlib import Path
import fake_tensorrt
from pstmo_core.runtime import onnx
from pstmo_core.runtime.tensorrt.cuda_probe import CudaDevice
from pstmo_core.runtime.tensorrt.engine_cache import EngineCache
from pstmo_core.runtime.tensorrt.backend import load_engine
from pstmo_core.runtime.tensorrt.machine import GpuMachine
from pstmo_core.runtime.tensorrt.build import EngineConfig
device = CudaDevice("Stand-in GPU", "8.7", "12.6")
machine = GpuMachine(device, fake_tensorrt, fake_tensorrt.driver)
folder, model = map(Path, sys.argv[1:])
cpu, config = onnx.load(model, 1, "fp32"), EngineConfig(module="fake_tensorrt")
load_engine(model, cpu, machine, config, EngineCache(folder), print)
"""


def test_a_kill_during_a_build_ends_the_build_and_leaves_nothing_to_load(
    desk: Desk, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "FAKE_TRT_GO": str(tmp_path / "never"),
        "FAKE_TRT_LOG": str(log),
    }
    command = [sys.executable, "-c", BUILDER, str(desk.cache.folder), str(MODEL)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        _wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
        process.send_signal(signal.SIGKILL)
    builder = int(log.read_text())
    _wait_until(lambda: not _runs(builder))
    runtime = desk.serve()
    assert runtime.engine.wait(60)
    assert runtime.backend == "tensorrt" and "engine kept as" in desk.said
    _assert_serves(runtime, desk.cpu)


def _runs(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"  # dead, but nobody has asked for its code


def _wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("waited for half a minute in vain")


def test_cuda_going_away_is_counted_and_the_cpu_serves_from_then_on(desk: Desk) -> None:
    runtime = desk.serve()
    assert runtime.engine.wait(60)
    _assert_serves(runtime, desk.cpu)
    desk.machine.driver.lost = True
    _assert_serves(runtime, desk.cpu)
    desk.machine.driver.lost = False  # comes back, but is not trusted again
    _assert_serves(runtime, desk.cpu)
    assert runtime.engine.counters == {"steps_on_gpu": 2, "steps_on_cpu": 4, "gpu_lost": 1}
    assert runtime.backend == "onnxruntime" and "CUDA_ERROR_UNKNOWN" in runtime.describe()


def test_wrong_arguments_do_not_cost_the_gpu(desk: Desk) -> None:
    runtime = desk.serve()
    assert runtime.engine.wait(60)
    with pytest.raises(Exception, match=r"index|bounds"):
        runtime.step(
            _windows(desk.cpu, 1)[0],
            np.empty((0, runtime.row_width), np.float32),
            np.full((1, desk.cpu.config.frames), 1000),
        )
    assert runtime.backend == "tensorrt" and "gpu_lost" not in runtime.engine.counters


def test_an_engine_off_by_more_than_the_tolerance_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = desk.load()
    assert check(engine, desk.cpu, 8) <= tensorrt.TOLERANCE["fp32"]
    whole = TensorRtRuntime.step
    for error in (0.01, np.nan):

        def wrong(*arguments: object, error: float = error) -> tuple[np.ndarray, np.ndarray]:
            poses, rows = whole(*arguments)  # type: ignore[arg-type]
            return poses + error, rows

        monkeypatch.setattr(TensorRtRuntime, "step", wrong)
        with pytest.raises(EngineError, match="of the largest coordinate, accepted are 1e-04"):
            check(engine, desk.cpu, 8)
