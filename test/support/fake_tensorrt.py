"""A stand-in for TensorRT and for the driver's bindings, for machines without a GPU.

It keeps to their calls and their rules: an engine file has a header with version and device, and
another one's is refused with None; what is asked of a recording stream is not done; a context that
a graph was recorded from may not be changed; everything fails once the device is lost. It computes
what the ONNX file says, by ONNX Runtime, on "device" memory that is this process's own.

Builds run in processes of their own, so what they shall do wrong comes by environment variables:
FAKE_TRT_FAULT (`refuse`, `die`, `nonsense`), FAKE_TRT_LOG, a file that gets a line for each build,
and FAKE_TRT_GO, a file without which no build ends.
"""

# ruff: noqa: N802, N815 (the names are CUDA's)
from __future__ import annotations

import ctypes
import enum
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime

__version__ = "10.3.0"
DEVICE = "Stand-in GPU"
#: Names of the objects that were made, to show that none is made without CUDA.
made: list[str] = []

_recording: list[Callable[[], None]] | None = None


def _do(work: Callable[[], None]) -> None:
    if _recording is None:
        work()
    else:
        _recording.append(work)


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1


class BuilderFlag(enum.IntEnum):
    FP16 = 0
    TF32 = 7


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class TensorIOMode(enum.IntEnum):
    NONE, INPUT, OUTPUT = range(3)


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self) -> None:
        self.ready = True


def nptype(kind: str) -> type:
    return {"tensor(float)": np.float32, "tensor(int64)": np.int64}[kind]


def _shape(tensor: onnxruntime.NodeArg) -> tuple[int, ...]:
    return tuple(-1 if isinstance(size, str) else size for size in tensor.shape)


class _Network:
    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.inputs: list[SimpleNamespace] = []
        self.outputs: list[SimpleNamespace] = []

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    def get_input(self, index: int) -> SimpleNamespace:
        return self.inputs[index]


class OnnxParser:
    def __init__(self, network: _Network, logger: ILogger) -> None:
        assert logger.ready
        self._network, self._faults = network, []
        self.num_errors = 0

    def parse(self, onnx: bytes) -> bool:
        try:
            session = _session(onnx)
        except Exception as error:
            self._faults, self.num_errors = [str(error).splitlines()[0]], 1
            return False
        self._network.onnx = onnx
        self._network.inputs, self._network.outputs = (
            [SimpleNamespace(name=tensor.name, shape=_shape(tensor)) for tensor in tensors]
            for tensors in (session.get_inputs(), session.get_outputs())
        )
        return True

    def get_error(self, index: int) -> str:
        return self._faults[index]


class _Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, name: str, low: tuple, usual: tuple, high: tuple) -> None:
        self.shapes[name] = [list(low), list(usual), list(high)]


class _BuilderConfig:
    def __init__(self) -> None:
        self.flags = {int(BuilderFlag.TF32)} if hasattr(BuilderFlag, "TF32") else set()

    def set_flag(self, flag: int) -> None:
        self.flags.add(int(flag))

    def clear_flag(self, flag: int) -> None:
        self.flags.discard(int(flag))

    def set_memory_pool_limit(self, pool: int, size: int) -> None:
        self.workspace = size

    def add_optimization_profile(self, profile: _Profile) -> None:
        self.profile = profile

    def set_preview_feature(self, feature: int, value: bool) -> None:
        self.preview = int(feature)


class Builder:
    def __init__(self, logger: ILogger) -> None:
        made.append("Builder")
        self._logger = logger

    def create_network(self, flags: int) -> _Network:
        return _Network(flags)

    def create_builder_config(self) -> _BuilderConfig:
        return _BuilderConfig()

    def create_optimization_profile(self) -> _Profile:
        return _Profile()

    def build_serialized_network(self, network: _Network, config: _BuilderConfig) -> bytes | None:
        fault = os.environ.get("FAKE_TRT_FAULT", "")
        if log := os.environ.get("FAKE_TRT_LOG"):
            with Path(log).open("a") as file:
                file.write(f"{os.getpid()}\n")
        while (go := os.environ.get("FAKE_TRT_GO")) and not Path(go).exists():
            time.sleep(0.02)
        if fault == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        if fault == "refuse":
            self._logger.log(ILogger.ERROR, "no kernel for this layer")
            return None
        header = {
            "version": __version__,
            "device": DEVICE,
            "network_flags": network.flags,
            "builder_flags": sorted(config.flags),
            "shapes": config.profile.shapes,
            "outputs": [output.name for output in network.outputs],
            "nonsense": fault == "nonsense",
        }
        return json.dumps(header).encode() + b"\n" + network.onnx


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        made.append("Runtime")
        self._logger = logger

    def deserialize_cuda_engine(self, plan: bytes) -> _Engine | None:
        try:
            start, onnx = plan.split(b"\n", 1)
            header = json.loads(start)
            assert header["version"] == __version__, "built by another version"
            assert header["device"] == DEVICE, "built for another device"
            return _Engine(header, _session(onnx))
        except Exception as error:
            self._logger.log(ILogger.ERROR, str(error).splitlines()[0])
            return None


class _Engine:
    def __init__(self, header: dict, session: onnxruntime.InferenceSession) -> None:
        self.header, self.session = header, session
        wanted = [*header["shapes"], *header["outputs"]]
        tensors = (*session.get_inputs(), *session.get_outputs())
        self.tensors = {tensor.name: tensor for tensor in tensors if tensor.name in wanted}
        self.num_io_tensors = len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.header["shapes"] else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return _shape(self.tensors[name])

    def get_tensor_dtype(self, name: str) -> str:
        return self.tensors[name].type

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        return [tuple(shape) for shape in self.header["shapes"][name]]

    def create_execution_context(self) -> _Context:
        return _Context(self)


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self._engine, self._addresses, self._recorded = engine, {}, False
        self._shapes: dict[str, tuple[int, ...]] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert not self._recorded, "a context that was recorded from may not be changed"
        low, _, high = self._engine.header["shapes"][name]
        self._shapes[name] = shape
        return all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True))

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert not self._recorded, "a context that was recorded from may not be changed"
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        self._recorded = self._recorded or _recording is not None
        if driver.lost:
            return False
        _do(self._compute)
        return True

    def _compute(self) -> None:
        header = self._engine.header
        feed = {name: self._at(name, shape) for name, shape in self._shapes.items()}
        results = self._engine.session.run(header["outputs"], feed)
        for name, result in zip(header["outputs"], results, strict=True):
            self._at(name, result.shape)[:] = result + (0.1 if header["nonsense"] else 0.0)

    def _at(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        dtype = np.dtype(nptype(self._engine.get_tensor_dtype(name)))
        size = int(np.prod(shape)) * dtype.itemsize
        memory = (ctypes.c_byte * size).from_address(self._addresses[name])
        return np.frombuffer(memory, dtype).reshape(shape)


def _session(onnx: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


class _Code(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_UNKNOWN = 999


class FakeDriver:
    """Stands for `cuda.bindings.driver`: each call returns a code, then values."""

    CUstream_flags = SimpleNamespace(CU_STREAM_NON_BLOCKING=1)
    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL=1)

    def __init__(self) -> None:
        self.lost = False
        self.memory: dict[int, ctypes.Array] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.launches = 0

    def __getattr__(self, name: str) -> Callable[..., tuple]:
        function = getattr(type(self), f"_{name}")

        def call(*arguments: object) -> tuple:
            if self.lost:
                return (_Code.CUDA_ERROR_UNKNOWN, None)
            value = function(self, *arguments)
            return (_Code.CUDA_SUCCESS,) if value is None else (_Code.CUDA_SUCCESS, value)

        return call

    def _nothing(self, *arguments: object) -> None: ...

    _cuInit = _cuCtxSetCurrent = _cuStreamSynchronize = _nothing
    _cuStreamDestroy = _cuGraphDestroy = _nothing

    def _number(self, *arguments: object) -> int:
        return 7

    _cuDeviceGet = _cuDevicePrimaryCtxRetain = _cuStreamCreate = _number

    def _cuMemAlloc(self, size: int, flags: int = 0) -> int:
        buffer = (ctypes.c_byte * size)()
        self.memory[ctypes.addressof(buffer)] = buffer
        return ctypes.addressof(buffer)

    _cuMemHostAlloc = _cuMemAlloc

    def _cuMemFree(self, address: int) -> None:
        del self.memory[address]

    _cuMemFreeHost = _cuMemFree

    def _cuMemcpyHtoDAsync(self, target: int, source: int, size: int, stream: int) -> None:
        _do(lambda: ctypes.memmove(target, source, size) and None)

    _cuMemcpyDtoHAsync = _cuMemcpyHtoDAsync

    def _cuStreamBeginCapture(self, stream: int, mode: int) -> None:
        global _recording
        _recording = []

    def _cuStreamEndCapture(self, stream: int) -> int:
        global _recording
        assert _recording is not None
        graph = len(self.graphs) + 1
        self.graphs[graph], _recording = _recording, None
        return graph

    def _cuGraphInstantiate(self, graph: int, flags: int) -> int:
        return graph

    def _cuGraphLaunch(self, graph: int, stream: int) -> None:
        self.launches += 1
        for work in self.graphs[graph]:
            work()

    def _cuGraphExecDestroy(self, graph: int) -> None:
        del self.graphs[graph]


driver = FakeDriver()
