"""The GPU that engines are built and loaded for, and how a network's engine is got there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pstmo_core.runtime.tensorrt.build import EngineConfig, build_apart, tensorrt_module
from pstmo_core.runtime.tensorrt.cuda_probe import CudaDevice, probe_cuda
from pstmo_core.runtime.tensorrt.cuda_stream import CudaError, cuda_bindings
from pstmo_core.runtime.tensorrt.engine import Engine
from pstmo_core.runtime.tensorrt.engine_cache import EngineCache, EngineKey
from pstmo_core.runtime.tensorrt.engine_files import EngineError

Opened = TypeVar("Opened")


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

    def engine(
        self,
        graph: bytes,
        config: EngineConfig,
        cache: EngineCache,
        checked: Callable[[Engine], Opened],
        say: Callable[[str], object],
        name: str,
    ) -> Opened:
        """Load a graph's engine from the cache, or build it.

        Args:
            graph: the ONNX file's part that it is built of.
            config: what is chosen about the engine.
            cache: where engines are kept.
            checked: makes of the engine what runs the network, and raises `EngineError` or
                `CudaError` if it does not compute what it should.
            say: called with a sentence on each step.
            name: what to call the network in what is said.

        Raises:
            EngineError: if it cannot be built, or a fresh one does not pass the check.
        """

        def open_engine(plan: bytes) -> Opened:
            try:
                return checked(Engine(plan, self.module, self.driver))
            except CudaError as error:
                raise EngineError(str(error)) from error

        key = self.key(graph, config)
        return cache.engine(
            key, lambda: build_apart(graph, config, say, name), open_engine, say, name
        )
