"""Asks the driver whether there is a CUDA device, before anything heavy is loaded.

Without a device, TensorRT returns objects that wrap a null pointer, and the next call on one of
them ends the process. So no TensorRT object is created before `probe_cuda` has returned.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from pstmo_core.runtime.base import BackendUnavailable

DRIVER = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
_NAME_LENGTH = 256


@dataclass(frozen=True)
class CudaDevice:
    """What an engine depends on of the machine."""

    name: str
    """As the driver calls it."""
    capability: str
    """Compute capability, say 8.7."""
    cuda: str
    """Newest CUDA version that the driver serves, say 12.6."""


def probe_cuda(index: int = 0) -> CudaDevice:
    """Return a CUDA device, the first unless told.

    Raises:
        BackendUnavailable: if there is no driver or no such device; says which.
    """
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError as error:
        absent = "No such file" in str(error)
        reason = f"{DRIVER} is absent" if absent else f"{DRIVER} cannot be loaded: {error}"
        raise BackendUnavailable(f"no NVIDIA driver ({reason})") from error
    _ask(driver, "cuInit", 0)
    count, version, device = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    _ask(driver, "cuDeviceGetCount", ctypes.byref(count))
    if count.value <= index:
        raise BackendUnavailable(
            f"CUDA: device {index} is asked for, but the driver shows {count.value} of them "
            "(CUDA_VISIBLE_DEVICES may hide some)"
        )
    _ask(driver, "cuDriverGetVersion", ctypes.byref(version))
    _ask(driver, "cuDeviceGet", ctypes.byref(device), index)
    name = ctypes.create_string_buffer(_NAME_LENGTH)
    _ask(driver, "cuDeviceGetName", name, _NAME_LENGTH, device)
    major, minor = ctypes.c_int(), ctypes.c_int()
    _ask(driver, "cuDeviceGetAttribute", ctypes.byref(major), _MAJOR, device)
    _ask(driver, "cuDeviceGetAttribute", ctypes.byref(minor), _MINOR, device)
    return CudaDevice(
        name.value.decode(errors="replace"),
        f"{major.value}.{minor.value}",
        f"{version.value // 1000}.{version.value % 1000 // 10}",
    )


def _ask(driver: ctypes.CDLL, function: str, *arguments: object) -> None:
    if code := getattr(driver, function)(*arguments):
        raise BackendUnavailable(
            f"CUDA: {function} of {DRIVER} failed with code {code}; is a device there, may this "
            "user open it, and is the driver's kernel module loaded (nvidia-smi)?"
        )
