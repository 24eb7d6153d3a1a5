"""The TensorRT backend: an engine of the window graph on an NVIDIA GPU.

It is the window graph rather than the step graph, because on a GPU, running SEM on all frames of a
window costs less than transferring their kept rows (a frame has 34 or 54 numbers, a row four times
the network's width). The rows that a caller keeps for this backend are therefore the encoded frames
themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pstmo_core.encoding import input_shape
from pstmo_core.model.config import ModelConfig
from pstmo_core.runtime import onnx
from pstmo_core.runtime.base import WINDOW_INPUTS, WINDOW_OUTPUTS, BackendUnavailable, Runtime
from pstmo_core.runtime.step_inputs import in_order
from pstmo_core.runtime.tensorrt.build import PRECISIONS, EngineConfig, window_graph
from pstmo_core.runtime.tensorrt.engine import Engine
from pstmo_core.runtime.tensorrt.engine_cache import EngineCache
from pstmo_core.runtime.tensorrt.engine_files import EngineError
from pstmo_core.runtime.tensorrt.machine import GpuMachine
from pstmo_core.runtime.tensorrt.serve_while_building import ServesWhileBuilding

#: Largest accepted difference from ONNX Runtime, as a share of the largest coordinate.
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2}

_log = logging.getLogger(__name__)


class TensorRtRuntime(Runtime):
    """Lifts windows by an engine. Any thread may call it; they take turns."""

    backend = "tensorrt"

    def __init__(self, engine: Engine, config: ModelConfig, precision: str) -> None:
        """Take an engine.

        Args:
            engine: of the window graph.
            config: of the network that it was built of.
            precision: that it was built with.

        Raises:
            EngineError: if it is of another graph.
        """
        engine.require(WINDOW_INPUTS, WINDOW_OUTPUTS, "window")
        self.config, self.precision, self._engine = config, precision, engine
        self._shape = input_shape(config.encoding)
        self.row_width = int(np.prod(self._shape))
        self.batch = engine.batch

    def step(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Runtime.step`; the rows that are kept are the encoded frames.

        Raises:
            CudaError: if the device fails; nothing on it works afterwards.
        """
        rows = fresh.reshape(len(fresh), self.row_width).astype(np.float32)
        kept, index = in_order(kept, index)
        windows = np.concatenate([kept, rows])[index].reshape(*index.shape, *self._shape)
        all_frames, target = WINDOW_OUTPUTS
        (poses,) = self._engine.run(
            {WINDOW_INPUTS[0]: windows}, [target if frame is None else all_frames]
        )
        return poses if frame is None else poses[:, frame], rows

    def describe(self) -> str:
        """See `Runtime.describe`."""
        return (
            f"network of {self.config.frames} frames of {self.config.step * 1e3:.0f} ms on "
            f"{self._engine.describe()}, {self.precision}"
        )


def load(path: Path, threads: int, precision: str) -> Runtime:
    """Serve from the CPU and change to TensorRT as soon as its engine is there; see `base`."""
    if precision not in PRECISIONS:
        raise BackendUnavailable(f"TensorRT: built in {PRECISIONS} only, not in {precision}")
    machine = GpuMachine.here("tensorrt")
    cpu = onnx.load(path, threads, "fp32")
    config = EngineConfig(precision)
    return ServesWhileBuilding(
        cpu, lambda: load_engine(path, cpu, machine, config, EngineCache(), _log.info), _log.info
    )


def load_engine(
    path: Path,
    cpu: Runtime,
    machine: GpuMachine,
    config: EngineConfig,
    cache: EngineCache,
    say: Callable[[str], object],
) -> TensorRtRuntime:
    """Load a network's engine from the cache, or build it; either is checked against the CPU.

    Raises:
        EngineError: if it cannot be built, or a fresh one does not compute what the CPU does.
    """

    def checked(engine: Engine) -> TensorRtRuntime:
        runtime = TensorRtRuntime(engine, cpu.config, config.precision)
        check(runtime, cpu, config.people)
        return runtime

    return machine.engine(window_graph(path), config, cache, checked, say, path.name)


def check(runtime: Runtime, cpu: Runtime, people: int) -> float:
    """Compare an engine with ONNX Runtime on the same windows, for one person and for most.

    Returns:
        The largest difference, as a share of the largest coordinate.

    Raises:
        EngineError: if it is above `TOLERANCE`, or not a number.
    """
    config = cpu.config
    shape = (people, config.frames, *input_shape(config.encoding))
    windows = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    differences = []
    for frame in (None, config.frames - 1):
        expected = cpu.lift(windows, frame)
        for count in (1, people, 1):  # the last by a recorded graph, after another size
            error = np.abs(runtime.lift(windows[:count], frame) - expected[:count]).max()
            differences.append(error / np.abs(expected).max())
    return require_like_cpu(differences, runtime.precision)


def require_like_cpu(differences: Sequence[float], precision: str) -> float:
    """Refuse an engine that differs from ONNX Runtime by too much, or by what is not a number.

    Args:
        differences: as shares of the largest coordinate.
        precision: the engine's.

    Returns:
        The largest.

    Raises:
        EngineError: says by how much.
    """
    worst = float(np.max(differences))  # NaN if any is
    if not worst <= TOLERANCE[precision]:
        raise EngineError(
            f"it differs from ONNX Runtime by {worst:.2g} of the largest coordinate, "
            f"accepted are {TOLERANCE[precision]:.0e} in {precision}"
        )
    return worst
