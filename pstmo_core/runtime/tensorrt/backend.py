"""The TensorRT backend: an engine of the window graph on an NVIDIA GPU.

It is the window graph rather than the step graph, for two reasons. On a GPU, running SEM on all
frames of a window costs less than transferring their kept rows (a frame has 34 or 54 numbers, a row
four times the network's width). And only one size is dynamic, the number of windows, so that each
of its values can have a CUDA graph. The rows that a caller keeps for this backend are therefore the
encoded frames themselves.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.encoding import input_shape
from pstmo_core.model.config import ModelConfig
from pstmo_core.runtime import onnx
from pstmo_core.runtime.base import WINDOW_INPUTS, WINDOW_OUTPUTS, BackendUnavailable, Runtime
from pstmo_core.runtime.step_inputs import in_order
from pstmo_core.runtime.tensorrt.build import (
    PRECISIONS,
    EngineConfig,
    build_apart,
    engine_graph,
    make_logger,
    tensorrt_module,
)
from pstmo_core.runtime.tensorrt.cuda_probe import CudaDevice, probe_cuda
from pstmo_core.runtime.tensorrt.cuda_stream import CudaError, CudaStream, cuda_bindings
from pstmo_core.runtime.tensorrt.engine_cache import EngineCache, EngineKey
from pstmo_core.runtime.tensorrt.engine_files import EngineError
from pstmo_core.runtime.tensorrt.serve_while_building import ServesWhileBuilding
from pstmo_core.skeleton import JOINTS

#: Largest accepted difference from ONNX Runtime, as a share of the largest coordinate.
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2}

_log = logging.getLogger(__name__)


class TensorRtRuntime(Runtime):
    """Runs an engine. Any thread may call it; they take turns."""

    backend = "tensorrt"

    def __init__(
        self, plan: bytes, config: ModelConfig, precision: str, module: Any, driver: Any
    ) -> None:
        """Load an engine; CUDA must be known to be there (`probe_cuda`).

        Args:
            plan: the engine file's bytes.
            config: of the network that it was built of.
            precision: that it was built with.
            module: TensorRT.
            driver: `cuda_bindings()`.

        Raises:
            EngineError: if TensorRT does not take it.
            CudaError: if the device fails.
        """
        self.config, self.precision = config, precision
        self._shape = input_shape(config.encoding)
        self.row_width = int(np.prod(self._shape))
        self._lock = threading.Lock()
        self._stream = CudaStream(driver)
        self._logger = make_logger(module)
        self._runtime = module.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(
                "TensorRT does not take it, as of another version or device: "
                f"{'; '.join(self._logger.errors) or 'no reason given'}"
            )
        self._place = f"{module.__name__} {module.__version__}"
        self.batch = int(self._engine.get_tensor_profile_shape(WINDOW_INPUTS[0], 0)[2][0])
        self._buffers = self._make_buffers(module)
        self._contexts: dict[int, Any] = {}
        self._launches: dict[int, Callable[[], None]] = {}
        self._graphs = True

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
        poses = np.empty((len(windows), JOINTS, self.config.outputs), np.float32)
        with self._lock:
            self._stream.enter()
            for start in range(0, len(windows), self.batch):
                part = slice(start, start + self.batch)
                poses[part] = self._run(windows[part], frame)
        return poses, rows

    def describe(self) -> str:
        """See `Runtime.describe`."""
        graphs = "CUDA graphs" if self._graphs else "no CUDA graphs"
        return (
            f"network of {self.config.frames} frames of {self.config.step * 1e3:.0f} ms on "
            f"{self._place}, {self.precision}, {graphs}"
        )

    def _run(self, windows: np.ndarray, frame: int | None) -> np.ndarray:
        """Lift at most `batch` windows; the result is a view of a buffer."""
        count = len(windows)
        self._buffers[WINDOW_INPUTS[0]].host[:count] = windows
        if count not in self._launches:
            self._launches[count] = self._prepare(count)
        self._launches[count]()
        self._stream.wait()
        all_frames, target = (self._buffers[name].host[:count] for name in WINDOW_OUTPUTS)
        return target if frame is None else all_frames[:, frame]

    def _make_buffers(self, module: Any) -> dict[str, _Buffer]:
        """Allocate for the largest batch, once."""
        engine, buffers = self._engine, {}
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        if set(names) != {*WINDOW_INPUTS, *WINDOW_OUTPUTS}:
            raise EngineError(f"it has inputs and outputs {names}, not those of the window graph")
        for name in names:
            shape = (self.batch, *tuple(engine.get_tensor_shape(name))[1:])
            dtype = np.dtype(module.nptype(engine.get_tensor_dtype(name)))
            host = self._stream.pinned(shape, dtype)
            buffers[name] = _Buffer(host, self._stream.device_memory(host.nbytes))
        return buffers

    def _prepare(self, count: int) -> Callable[[], None]:
        """Return what runs this many windows: a CUDA graph where it can be recorded.

        Each number has a context of its own: a graph stays valid only while the context that it
        was recorded from is left as it was. One is made when its number is first met.
        """
        (source,), stream, buffers = WINDOW_INPUTS, self._stream, self._buffers
        context = self._contexts[count] = self._engine.create_execution_context()
        if context is None:
            raise CudaError(f"TensorRT: no execution context: {'; '.join(self._logger.errors)}")
        if not context.set_input_shape(source, (count, *buffers[source].host.shape[1:])):
            raise CudaError(f"TensorRT: does not take {count} windows")
        for name, buffer in buffers.items():
            context.set_tensor_address(name, buffer.device)

        def work() -> None:
            stream.upload(buffers[source].device, buffers[source].host[:count])
            if not context.execute_async_v3(stream.handle):
                raise CudaError(f"TensorRT: {'; '.join(self._logger.errors) or 'not executed'}")
            for name in WINDOW_OUTPUTS:
                stream.download(buffers[name].host[:count], buffers[name].device)

        work()  # the first run allocates, which cannot be recorded
        self._stream.wait()
        try:
            return self._stream.record(work)
        except CudaError as error:
            self._graphs = False
            _log.info("TensorRT runs without a CUDA graph: %s", error)
            return work


@dataclass(frozen=True)
class _Buffer:
    """A tensor's places, for the largest batch."""

    host: np.ndarray
    device: int


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


@dataclass(frozen=True)
class GpuMachine:
    """What an engine runs on: a device that is there, and the modules to use it."""

    device: CudaDevice
    module: Any
    driver: Any

    @classmethod
    def here(cls, module: str) -> GpuMachine:
        """Look at this machine: the device before TensorRT.

        Raises:
            BackendUnavailable: if device, TensorRT or cuda-python is missing; says which.
        """
        device = probe_cuda()
        return cls(device, tensorrt_module(module), cuda_bindings())

    def key(self, graph: bytes, config: EngineConfig) -> EngineKey:
        """Return the key of a network's engine on this machine."""
        return EngineKey(
            hashlib.sha256(graph).hexdigest(),
            f"{self.module.__name__} {self.module.__version__}",
            self.device.cuda,
            self.device.capability,
            self.device.name,
            config.precision,
            config.profile,
            config.settings,
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
    graph = engine_graph(path)

    def open_engine(plan: bytes) -> TensorRtRuntime:
        try:
            runtime = TensorRtRuntime(
                plan, cpu.config, config.precision, machine.module, machine.driver
            )
            check(runtime, cpu, config.people)
        except CudaError as error:
            raise EngineError(str(error)) from error
        return runtime

    return cache.engine(
        machine.key(graph, config),
        lambda: build_apart(graph, config, say, path.name),
        open_engine,
        say,
        path.name,
    )


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
    worst = 0.0
    for frame in (None, config.frames - 1):
        expected = cpu.lift(windows, frame)
        for count in (1, people, 1):  # the last by a recorded graph, after another size
            error = np.abs(runtime.lift(windows[:count], frame) - expected[:count]).max()
            worst = max(worst, float(error / np.abs(expected).max())) if error == error else np.nan
    if not worst <= TOLERANCE[runtime.precision]:
        raise EngineError(
            f"it differs from ONNX Runtime by {worst:.2g} of the largest coordinate, accepted are "
            f"{TOLERANCE[runtime.precision]:.0e} in {runtime.precision}"
        )
    return worst
