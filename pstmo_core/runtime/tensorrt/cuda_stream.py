"""One CUDA stream with its buffers and graphs, through NVIDIA's own bindings `cuda-python`.

The driver's interface and the device's primary context are used: TensorRT works in that context
too, and a call from any thread makes it current for that thread first. (pycuda makes contexts of
its own, which then belong to one thread.)
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from pstmo_core.runtime.base import BackendUnavailable


class CudaError(RuntimeError):
    """A call on the device that failed; nothing on the device can be trusted afterwards."""


def cuda_bindings() -> Any:
    """Import the bindings of the driver.

    Raises:
        BackendUnavailable: where `cuda-python` is not installed.
    """
    with contextlib.suppress(ImportError):
        return importlib.import_module("cuda.bindings.driver")
    with contextlib.suppress(ImportError):
        return importlib.import_module("cuda.cuda")  # its name until version 12.5
    raise BackendUnavailable(
        "TensorRT: the Python package cuda-python is not installed; install the one of your "
        "CUDA's major version, say pip install 'cuda-python==12.*'"
    )


class CudaStream:
    """A stream, and the memory and graphs used on it. Not for two threads at once."""

    def __init__(self, driver: Any, index: int = 0) -> None:
        self._driver = driver
        self._check(driver.cuInit(0))
        device = self._check(driver.cuDeviceGet(index))
        self._context = self._check(driver.cuDevicePrimaryCtxRetain(device))
        self.enter()
        self._stream = self._check(
            driver.cuStreamCreate(int(driver.CUstream_flags.CU_STREAM_NON_BLOCKING))
        )
        self._held: list[tuple[Callable[[Any], object], Any]] = [
            (driver.cuStreamDestroy, self._stream)
        ]
        weakref.finalize(self, _release, driver, self._context, self._held).atexit = False

    @property
    def handle(self) -> int:
        """The stream, as TensorRT takes it."""
        return int(self._stream)

    def enter(self) -> None:
        """Make the device's context current for the calling thread."""
        self._check(self._driver.cuCtxSetCurrent(self._context))

    def pinned(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an array in page-locked memory, which the device reads and writes by itself.

        It lives as long as the stream does, as does `device_memory`.
        """
        size = int(np.prod(shape)) * dtype.itemsize
        address = int(self._check(self._driver.cuMemHostAlloc(size, 0)))
        self._held.append((self._driver.cuMemFreeHost, address))
        memory = (ctypes.c_byte * size).from_address(address)
        return np.frombuffer(memoryview(memory), dtype).reshape(shape)

    def device_memory(self, size: int) -> int:
        """Return the address of `size` bytes on the device."""
        address = int(self._check(self._driver.cuMemAlloc(size)))
        self._held.append((self._driver.cuMemFree, address))
        return address

    def upload(self, target: int, source: np.ndarray) -> None:
        """Copy a pinned array to the device, in the stream's order."""
        self._check(
            self._driver.cuMemcpyHtoDAsync(target, source.ctypes.data, source.nbytes, self._stream)
        )

    def download(self, target: np.ndarray, source: int) -> None:
        """Copy from the device to a pinned array, in the stream's order."""
        self._check(
            self._driver.cuMemcpyDtoHAsync(target.ctypes.data, source, target.nbytes, self._stream)
        )

    def wait(self) -> None:
        """Wait until all that was asked for is done."""
        self._check(self._driver.cuStreamSynchronize(self._stream))

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record what `work` asks of the stream, without doing it; return what does it all.

        One launch then stands for dozens of kernels, whose launches cost more than such a small
        network's arithmetic.
        """
        driver = self._driver
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._check(driver.cuStreamBeginCapture(self._stream, mode))
        try:
            work()
        finally:
            graph = self._check(driver.cuStreamEndCapture(self._stream))
        executable = self._check(driver.cuGraphInstantiate(graph, 0))
        self._check(driver.cuGraphDestroy(graph))
        self._held.append((driver.cuGraphExecDestroy, executable))

        def launch() -> None:
            self._check(driver.cuGraphLaunch(executable, self._stream))

        return launch

    def _check(self, result: tuple[Any, ...]) -> Any:
        code, *values = result
        if int(code):
            raise CudaError(f"CUDA: {getattr(code, 'name', code)}")
        return values[0] if values else None


def _release(driver: Any, context: Any, held: list[tuple[Callable[[Any], object], Any]]) -> None:
    """Give everything back; on a device that has gone, these calls fail and nobody minds."""
    driver.cuCtxSetCurrent(context)
    for free, thing in reversed(held):
        free(thing)
