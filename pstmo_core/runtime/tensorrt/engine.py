"""A TensorRT engine that is loaded: arrays in, arrays out, of one row for each window or person."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pstmo_core.runtime.tensorrt.build import make_logger
from pstmo_core.runtime.tensorrt.cuda_stream import CudaError, CudaStream
from pstmo_core.runtime.tensorrt.engine_files import EngineError

_log = logging.getLogger(__name__)


class Engine:
    """Runs an engine. Any thread may call it; they take turns.

    One size is dynamic, the number of rows, so that each of its values can have a CUDA graph.
    """

    def __init__(self, plan: bytes, module: Any, driver: Any) -> None:
        """Load an engine; CUDA must be known to be there (`probe_cuda`).

        Args:
            plan: the engine file's bytes.
            module: TensorRT.
            driver: `cuda_bindings()`.

        Raises:
            EngineError: if TensorRT does not take it.
            CudaError: if the device fails.
        """
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
        names = [self._engine.get_tensor_name(n) for n in range(self._engine.num_io_tensors)]
        given = [self._engine.get_tensor_mode(name) == module.TensorIOMode.INPUT for name in names]
        self.inputs = [name for name, is_input in zip(names, given, strict=True) if is_input]
        self.outputs = [name for name, is_input in zip(names, given, strict=True) if not is_input]
        self.batch = int(self._engine.get_tensor_profile_shape(self.inputs[0], 0)[2][0])
        """Most rows in one batch."""
        self._buffers = {name: self._make_buffer(name, module) for name in names}
        self._contexts: dict[int, Any] = {}
        self._launches: dict[int, Callable[[], None]] = {}
        self._graphs = True

    def require(self, inputs: Sequence[str], outputs: Sequence[str], graph: str) -> None:
        """Check that it is an engine of a graph.

        Raises:
            EngineError: if its inputs and outputs are not the graph's.
        """
        if {*self.inputs} != {*inputs} or {*self.outputs} != {*outputs}:
            names = [*self.inputs, *self.outputs]
            raise EngineError(f"it has inputs and outputs {names}, not those of the {graph} graph")

    def describe(self) -> str:
        """Say by what it runs."""
        return f"{self._place}, {'CUDA graphs' if self._graphs else 'no CUDA graphs'}"

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        """Compute some outputs, in batches.

        Args:
            inputs: all of `inputs`, of as many rows each.
            outputs: some of `outputs`.

        Returns:
            The outputs, which belong to the caller.

        Raises:
            CudaError: if the device fails; nothing on it works afterwards.
        """
        count = len(inputs[self.inputs[0]])
        hosts = [self._buffers[name].host for name in outputs]
        results = [np.empty((count, *host.shape[1:]), host.dtype) for host in hosts]
        with self._lock:
            self._stream.enter()
            for start in range(0, count, self.batch):
                part = slice(start, start + self.batch)
                rows = min(self.batch, count - start)
                for name in self.inputs:
                    self._buffers[name].host[:rows] = inputs[name][part]
                self._launch(rows)
                for result, host in zip(results, hosts, strict=True):
                    result[part] = host[:rows]
        return results

    def _launch(self, rows: int) -> None:
        if rows not in self._launches:
            self._launches[rows] = self._prepare(rows)
        self._launches[rows]()
        self._stream.wait()

    def _make_buffer(self, name: str, module: Any) -> _Buffer:
        """Allocate for the largest batch, once."""
        shape = (self.batch, *tuple(self._engine.get_tensor_shape(name))[1:])
        dtype = np.dtype(module.nptype(self._engine.get_tensor_dtype(name)))
        host = self._stream.pinned(shape, dtype)
        return _Buffer(host, self._stream.device_memory(host.nbytes))

    def _prepare(self, rows: int) -> Callable[[], None]:
        """Return what runs this many rows: a CUDA graph where it can be recorded.

        Each number has a context of its own: a graph stays valid only while the context that it
        was recorded from is left as it was. One is made when its number is first met.
        """
        stream, buffers = self._stream, self._buffers
        context = self._contexts[rows] = self._engine.create_execution_context()
        if context is None:
            raise CudaError(f"TensorRT: no execution context: {'; '.join(self._logger.errors)}")
        for name in self.inputs:
            if not context.set_input_shape(name, (rows, *buffers[name].host.shape[1:])):
                raise CudaError(f"TensorRT: does not take {rows} rows")
        for name, buffer in buffers.items():
            context.set_tensor_address(name, buffer.device)

        def work() -> None:
            for name in self.inputs:
                stream.upload(buffers[name].device, buffers[name].host[:rows])
            if not context.execute_async_v3(stream.handle):
                raise CudaError(f"TensorRT: {'; '.join(self._logger.errors) or 'not executed'}")
            for name in self.outputs:
                stream.download(buffers[name].host[:rows], buffers[name].device)

        work()  # the first run allocates, which cannot be recorded
        stream.wait()
        try:
            return stream.record(work)
        except CudaError as error:
            self._graphs = False
            _log.info("TensorRT runs without a CUDA graph: %s", error)
            return work


@dataclass(frozen=True)
class _Buffer:
    """A tensor's places, for the largest batch."""

    host: np.ndarray
    device: int
