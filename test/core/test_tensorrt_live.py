"""STMO-Live on TensorRT, by a stand-in: a stream goes on whatever the GPU does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fake_tensorrt
import numpy as np
import pytest
from command import Command
from stand_in_gpu import CONFIG, build_in_this_process, stand_in_gpu

from pstmo_core.encoding import input_shape
from pstmo_core.runtime import load_runtime, shipped_model
from pstmo_core.runtime.base import BackendUnavailable
from pstmo_core.runtime.live import onnx
from pstmo_core.runtime.live import tensorrt as live_tensorrt
from pstmo_core.runtime.live.base import LiveRuntime
from pstmo_core.runtime.live.graphs import output_names_of
from pstmo_core.runtime.live.tensorrt import (
    LiveServesWhileBuilding,
    LiveTensorRtRuntime,
    load_engine,
)
from pstmo_core.runtime.onnx_graph import keep_outputs
from pstmo_core.runtime.tensorrt import cuda_probe
from pstmo_core.runtime.tensorrt import machine as tensorrt_machine
from pstmo_core.runtime.tensorrt.build import EngineConfig, build_engine, tensorrt_module
from pstmo_core.runtime.tensorrt.engine_cache import EngineCache
from pstmo_core.runtime.tensorrt.engine_files import EngineError
from pstmo_core.runtime.tensorrt.machine import GpuMachine

MODEL = shipped_model().with_name("stmo_live.onnx")
PEOPLE, FRAMES = 19, 40


@pytest.fixture(scope="module")
def cpu() -> LiveRuntime:
    return onnx.load(MODEL, 1, "fp32")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> GpuMachine:
    build_in_this_process(monkeypatch)
    return stand_in_gpu(monkeypatch)


@pytest.fixture
def load(tmp_path: Path, cpu: LiveRuntime, machine: GpuMachine) -> Callable[[], LiveRuntime]:
    """Gets the engine."""
    cache = EngineCache(tmp_path / "engines")
    return lambda: load_engine(MODEL, cpu, machine, CONFIG, cache, print)


def stream(
    runtime: LiveRuntime, at: dict[int, Callable[[], object]] | None = None, people: int = PEOPLE
) -> np.ndarray:
    """Poses (T, people, moments, 17, C) of people at irregular times, one of whom leaves."""
    generator, config = np.random.default_rng(4), runtime.config
    memory, poses = runtime.memory(people), []
    for now in range(FRAMES):
        (at or {}).get(now, lambda: None)()
        shape = people, 1, *input_shape(config.encoding)
        frames = generator.standard_normal(shape).astype(np.float32)
        dt = generator.uniform(0.005, 0.1, (people, 1)).astype(np.float32)
        if now == FRAMES // 2:
            memory.forget(0)
        heads = range(len(config.look_aheads)) if now % 2 else (0,)
        lifted = runtime.read(frames, dt, memory, np.arange(people), heads)
        poses.append(lifted[:, 0, :1])
    return np.stack(poses)


@pytest.mark.parametrize("people", [1, 3, PEOPLE])
def test_an_engine_steps_as_onnx_runtime_does(
    people: int, load: Callable[[], LiveRuntime], cpu: LiveRuntime, machine: GpuMachine
) -> None:
    engine = load()
    np.testing.assert_allclose(stream(engine, people=people), stream(cpu, people=people), atol=2e-4)
    assert machine.driver.launches > FRAMES
    assert "fake_tensorrt 10.3.0, CUDA graphs" in engine.describe()


def test_a_stream_goes_from_cpu_to_engine_and_back_without_a_seam(
    load: Callable[[], LiveRuntime], cpu: LiveRuntime, machine: GpuMachine, tmp_path: Path
) -> None:
    said: list[str] = []
    go = tmp_path / "go"

    def when_told() -> LiveRuntime:
        while not go.exists():
            pass
        return load()

    runtime = LiveServesWhileBuilding(cpu, when_told, said.append)
    assert "being loaded or built" in runtime.describe()

    def change() -> None:
        go.touch()
        assert runtime.engine.wait(60)
        assert runtime.backend == "tensorrt"

    def lose() -> None:
        machine.driver.lost = True

    found = stream(runtime, {10: change, 30: lose})
    np.testing.assert_allclose(found, stream(cpu), atol=2e-4)
    assert runtime.engine.counters == {"steps_on_cpu": 20, "steps_on_gpu": 20, "gpu_lost": 1}
    assert "from now on" in said[0] and "the CPU serves from now on: the GPU failed" in said[1]
    assert runtime.backend == "onnxruntime"


def test_runs_of_frames_give_the_same_poses_as_steps(
    load: Callable[[], LiveRuntime], cpu: LiveRuntime
) -> None:
    engine, shape = load(), (1, FRAMES, *input_shape(cpu.config.encoding))
    frames = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    dt, rows = np.full((1, FRAMES), 0.03, np.float32), np.arange(1)
    whole = engine.read(frames, dt, engine.memory(1), rows)
    memory = engine.memory(1)
    steps = [
        engine.read(frames[:, at : at + 1], dt[:, at : at + 1], memory, rows)
        for at in range(FRAMES)
    ]
    np.testing.assert_allclose(whole, np.concatenate(steps, 1), atol=2e-4)


def test_an_engine_that_computes_something_else_is_not_used(
    load: Callable[[], LiveRuntime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRT_FAULT", "nonsense")
    with pytest.raises(EngineError, match="differs from ONNX Runtime by"):
        load()


def test_a_windows_engine_is_not_taken_for_a_streaming_networks(
    cpu: LiveRuntime, machine: GpuMachine
) -> None:
    graph = keep_outputs(shipped_model().read_bytes(), ["all_frames", "target"])
    plan = build_engine(fake_tensorrt, graph, EngineConfig())
    engine = tensorrt_machine.Engine(plan, fake_tensorrt, machine.driver)
    with pytest.raises(EngineError, match="not those of the step graph"):
        LiveTensorRtRuntime(engine, cpu)


def test_streaming_networks_are_tried_on_tensorrt_first_and_in_fp32_alone(
    machine: GpuMachine, monkeypatch: pytest.MonkeyPatch, pstmo: Command, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cuda_probe, "DRIVER", "libcuda_that_is_not_there.so")
    assert "not tensorrt: no NVIDIA driver" in load_runtime(MODEL).explain()
    with pytest.raises(BackendUnavailable, match="fp32 only, not in fp16"):
        load_runtime(MODEL, backend="tensorrt", precision="fp16")
    code, _, error = pstmo("engine", "build", MODEL, "--precision", "fp16")
    assert code == 2 and "fp32 only" in error
    monkeypatch.setattr(GpuMachine, "here", lambda module: machine)
    options = ("--module", "fake_tensorrt", "--cache", tmp_path / "kept")
    code, told, _ = pstmo("engine", "build", MODEL, *options)
    assert code == 0 and "streaming network of 7 moments on fake_tensorrt" in told
    code, told, _ = pstmo("engine", "list", "--cache", tmp_path / "kept")
    assert code == 0 and "stmo_live.onnx, fp32, up to 8 people" in told
    served = live_tensorrt.load(MODEL, 1, "fp32")
    assert isinstance(served, LiveServesWhileBuilding) and served.engine.wait(60)


def test_tensorrt_rtx_builds_the_step_graph_without_a_gpu(cpu: LiveRuntime) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs tensorrt-rtx, which builds anywhere")
    graph = keep_outputs(MODEL.read_bytes(), output_names_of("step", cpu.config))
    module = tensorrt_module("tensorrt_rtx")
    plan = build_engine(module, graph, EngineConfig(module="tensorrt_rtx"))
    assert len(plan) > len(graph) // 2
