"""A machine with the GPU of the stand-in for TensorRT (`fake_tensorrt`)."""

from __future__ import annotations

import fake_tensorrt
import pytest

from pstmo_core.runtime.tensorrt import machine
from pstmo_core.runtime.tensorrt.build import EngineConfig, build_engine
from pstmo_core.runtime.tensorrt.cuda_probe import CudaDevice
from pstmo_core.runtime.tensorrt.machine import GpuMachine

CONFIG = EngineConfig(module="fake_tensorrt")


def stand_in_gpu(monkeypatch: pytest.MonkeyPatch) -> GpuMachine:
    """Return the machine; its driver counts what it does, for one test."""
    driver = fake_tensorrt.FakeDriver()
    monkeypatch.setattr(fake_tensorrt, "driver", driver)
    return GpuMachine(CudaDevice("Stand-in GPU", "8.7", "12.6"), fake_tensorrt, driver)


def build_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the second that a process of its own takes for each engine."""

    def build_here(graph: bytes, config: EngineConfig, *others: object) -> bytes:
        return build_engine(fake_tensorrt, graph, config)

    monkeypatch.setattr(machine, "build_apart", build_here)
