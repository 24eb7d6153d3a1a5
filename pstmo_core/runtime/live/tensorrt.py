"""The TensorRT backend of STMO-Live: an engine of the step graph on an NVIDIA GPU.

What is kept of people stays in the computer's memory and is uploaded for each step, 152 kB a person
for the shipped network: so the CPU can take over at any frame, and backends share one memory. Runs
of many frames, which a recording consists of, are lifted on the CPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pstmo_core.encoding import input_shape
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.runtime.base import BackendUnavailable
from pstmo_core.runtime.live import onnx
from pstmo_core.runtime.live.graphs import (
    GraphCall,
    GraphRuntime,
    fresh_outputs,
    input_names,
    output_names_of,
    pose_output,
)
from pstmo_core.runtime.live.memory import Fresh
from pstmo_core.runtime.onnx_graph import keep_outputs
from pstmo_core.runtime.tensorrt.backend import require_like_cpu
from pstmo_core.runtime.tensorrt.build import EngineConfig
from pstmo_core.runtime.tensorrt.engine import Engine
from pstmo_core.runtime.tensorrt.engine_cache import EngineCache
from pstmo_core.runtime.tensorrt.machine import GpuMachine
from pstmo_core.runtime.tensorrt.serve_while_building import EngineWhenReady

_STEP = "step"
#: Frames of each person on which an engine is compared with the CPU.
_CHECKED_FRAMES = 6

_log = logging.getLogger(__name__)


class LiveTensorRtRuntime(GraphRuntime):
    """Lifts single frames by an engine, and runs of frames on the CPU."""

    backend, precision = "tensorrt", "fp32"

    def __init__(self, engine: Engine, cpu: GraphRuntime) -> None:
        """Take an engine of the step graph.

        Raises:
            EngineError: if it is of another graph.
        """
        self.config, self._cpu, self._engine = cpu.config, cpu, engine
        named = input_names(_STEP, self.config)
        # A network that answers for the newest frame alone needs no tokens.
        engine.require(
            [name for name in named if name in engine.inputs or name != named[-1]],
            output_names_of(_STEP, self.config),
            _STEP,
        )

    def describe(self) -> str:
        """See `LoadedNetwork.describe`."""
        moments = len(self.config.look_aheads)
        return f"streaming network of {moments} moments on {self._engine.describe()}, fp32"

    def run(self, call: GraphCall) -> tuple[np.ndarray, Fresh]:
        """See `GraphRuntime.run`."""
        if call.graph != _STEP:
            return self._cpu.run(call)
        inputs = dict(zip(input_names(_STEP, self.config), call.arrays(), strict=True))
        poses = [pose_output(_STEP, self.config.look_aheads[head]) for head in call.heads]
        outputs = self._engine.run(inputs, [*poses, *fresh_outputs(_STEP, self.config)])
        return np.stack(outputs[: len(poses)], 2), Fresh.of(outputs[len(poses) :])


class LiveServesWhileBuilding(GraphRuntime):
    """The CPU's backend until the engine is built and checked, and again if the GPU fails."""

    def __init__(
        self,
        cpu: GraphRuntime,
        get_engine: Callable[[], GraphRuntime],
        say: Callable[[str], object],
    ) -> None:
        """Start getting the engine; arguments as of `EngineWhenReady`."""
        self.config, self._cpu = cpu.config, cpu
        self.engine = EngineWhenReady(cpu, get_engine, self._show, say)

    def describe(self) -> str:
        """See `LoadedNetwork.describe`; says also what became of the engine."""
        return self.engine.describe()

    def run(self, call: GraphCall) -> tuple[np.ndarray, Fresh]:
        """See `GraphRuntime.run`."""
        return self.engine.step(lambda engine: engine.run(call), lambda: self._cpu.run(call))

    def _show(self, runtime: GraphRuntime) -> None:
        """Look from outside like the backend that serves."""
        self.backend, self.precision = runtime.backend, runtime.precision


def load(path: Path, threads: int, precision: str) -> GraphRuntime:
    """Serve from the CPU and change to TensorRT as soon as its engine is there; see `base`."""
    require_fp32(precision)
    machine = GpuMachine.here("tensorrt")
    cpu = onnx.load(path, threads, precision)
    return LiveServesWhileBuilding(
        cpu,
        lambda: load_engine(path, cpu, machine, EngineConfig(), EngineCache(), _log.info),
        _log.info,
    )


def require_fp32(precision: str) -> None:
    """Refuse another precision.

    Raises:
        BackendUnavailable: says why.
    """
    if precision != "fp32":
        raise BackendUnavailable(
            f"TensorRT: streaming networks run in fp32 only, not in {precision}, in which the ages "
            "of frames are too coarse"
        )


def load_engine(
    path: Path,
    cpu: GraphRuntime,
    machine: GpuMachine,
    config: EngineConfig,
    cache: EngineCache,
    say: Callable[[str], object],
) -> LiveTensorRtRuntime:
    """Load a network's engine from the cache, or build it; either is checked against the CPU.

    Raises:
        EngineError: if it cannot be built, or a fresh one does not compute what the CPU does.
    """
    graph = keep_outputs(path.read_bytes(), output_names_of(_STEP, cpu.config))

    def checked(engine: Engine) -> LiveTensorRtRuntime:
        runtime = LiveTensorRtRuntime(engine, cpu)
        check(runtime, cpu, config.people)
        return runtime

    return machine.engine(graph, config, cache, checked, say, path.name)


def check(runtime: GraphRuntime, cpu: GraphRuntime, people: int) -> float:
    """Compare an engine with ONNX Runtime on the same frames, for one person and for most.

    Returns:
        The largest difference, as a share of the largest coordinate.

    Raises:
        EngineError: if it is too large, or not a number.
    """
    differences = []
    for count in (1, people):
        expected, found = (_stepped(each, cpu.config, count) for each in (cpu, runtime))
        differences.append(np.abs(found - expected).max() / np.abs(expected).max())
    return require_like_cpu(differences, runtime.precision)


def _stepped(runtime: GraphRuntime, config: LiveConfig, people: int) -> np.ndarray:
    """Return the poses (T, P, 1, moments, 17, C) of people who are seen for some frames."""
    generator = np.random.default_rng(0)
    shape = people, 1, *input_shape(config.encoding)
    memory, rows, heads = runtime.memory(people), np.arange(people), range(len(config.look_aheads))
    poses = []
    for _ in range(_CHECKED_FRAMES):
        frames = generator.standard_normal(shape).astype(np.float32)
        dt = generator.uniform(0.0, 0.1, (people, 1)).astype(np.float32)
        poses.append(runtime.read(frames, dt, memory, rows, heads))
    return np.stack(poses)
