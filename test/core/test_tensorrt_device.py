"""What there must be for TensorRT, and what is said where it is not there."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

import fake_tensorrt
import pytest
from command import Command

from pstmo_core.runtime import shipped_model
from pstmo_core.runtime.base import BackendUnavailable
from pstmo_core.runtime.tensorrt import backend as tensorrt
from pstmo_core.runtime.tensorrt import cuda_probe
from pstmo_core.runtime.tensorrt.cuda_probe import CudaDevice, probe_cuda
from pstmo_core.runtime.tensorrt.machine import GpuMachine

MODEL = shipped_model()


class FakeLibrary:
    """libcuda as ctypes shows it."""

    def __init__(self, devices: int = 1, code: int = 0) -> None:
        self.devices, self.code = devices, code

    def __getattr__(self, name: str) -> Callable[..., int]:
        answers = {"cuDeviceGetCount": self.devices, "cuDriverGetVersion": 12060, "cuDeviceGet": 0}

        def call(first: object, *others: object) -> int:
            if name == "cuDeviceGetName":
                assert isinstance(first, ctypes.Array)
                first.value = b"Orin"
            elif name == "cuDeviceGetAttribute":
                first._obj.value = {75: 8, 76: 7}[others[0]]  # type: ignore[attr-defined, index]
            elif name in answers:
                first._obj.value = answers[name]  # type: ignore[attr-defined]
            return self.code

        return call


def test_the_driver_is_asked_what_device_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeLibrary())
    assert probe_cuda() == CudaDevice("Orin", "8.7", "12.6")


@pytest.mark.parametrize(
    ("library", "reason"),
    [(FakeLibrary(devices=0), "the driver shows 0 of them"), (FakeLibrary(code=100), "code 100")],
)
def test_a_driver_without_a_device_is_said(
    library: FakeLibrary, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    with pytest.raises(BackendUnavailable, match=reason):
        probe_cuda()


def test_without_cuda_no_object_of_tensorrt_is_made(
    monkeypatch: pytest.MonkeyPatch, pstmo: Command
) -> None:
    monkeypatch.setattr(cuda_probe, "DRIVER", "libcuda_that_is_not_there.so")
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt)
    fake_tensorrt.made.clear()
    with pytest.raises(BackendUnavailable, match="no NVIDIA driver"):
        tensorrt.load(MODEL, 1, "fp32")
    code, _, error = pstmo("engine", "build")
    assert code == 2 and "no NVIDIA driver" in error
    assert not fake_tensorrt.made


def test_without_tensorrt_or_its_bindings_the_backend_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeLibrary())
    with pytest.raises(BackendUnavailable, match=r"no_such_tensorrt cannot be imported"):
        GpuMachine.here("no_such_tensorrt")
    for name in ("cuda", "cuda.bindings", "cuda.bindings.driver", "cuda.cuda"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendUnavailable, match="cuda-python is not installed"):
        GpuMachine.here("fake_tensorrt")
    with pytest.raises(BackendUnavailable, match="not in bf16"):
        tensorrt.load(MODEL, 1, "bf16")
