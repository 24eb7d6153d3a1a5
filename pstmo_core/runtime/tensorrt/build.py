"""Builds a TensorRT engine from an ONNX file; one code path for TensorRT 8.6 to 11.

The engine is built by a process of its own. TensorRT takes seconds to minutes for it, much memory,
and ends its process on some faults; whoever waits must neither stall nor die of that.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pstmo_core.runtime.base import WINDOW_OUTPUTS, BackendUnavailable
from pstmo_core.runtime.onnx_graph import keep_outputs
from pstmo_core.runtime.tensorrt.engine_files import EngineError
from pstmo_core.settings import check_settings, setting

PRECISIONS = ("fp32", "fp16")
#: Seconds between two messages that a build is still under way.
PROGRESS = 5.0
_MEBIBYTE = 1 << 20
_KEPT_ERRORS = 3


@dataclass(frozen=True)
class EngineConfig:
    """What may be chosen about an engine."""

    precision: str = setting(
        "fp32",
        "Of the matrix products: fp32 (never TF32) or fp16; both take and give float32.",
        choices=PRECISIONS,
    )
    people: int = setting(8, "Most windows in one batch; more are run in pieces.", low=1)
    workspace: int = setting(
        256,
        "What the builder may use on the device for a layer's scratch memory.",
        low=1,
        unit="MiB",
    )
    module: str = "tensorrt"
    """The Python module: `tensorrt`, or `tensorrt_rtx` (which builds without a GPU)."""

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def profile(self) -> tuple[int, int, int]:
        """Fewest, usual and most windows in a batch."""
        return 1, 1, self.people

    @property
    def settings(self) -> tuple[str, ...]:
        """Further settings of the builder, for the engine's key."""
        return ("tf32=off", f"workspace={self.workspace}")


def tensorrt_module(name: str) -> Any:
    """Import TensorRT; makes none of its objects.

    Raises:
        BackendUnavailable: where it is not installed or cannot be loaded.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise BackendUnavailable(
            f"TensorRT: the Python module {name} cannot be imported ({error}); it comes with "
            "JetPack, or by pip install 'pstmo[tensorrt]'"
        ) from error


def make_logger(module: Any) -> Any:
    """Return a logger for TensorRT that keeps quiet and remembers the last errors (`errors`)."""

    class Logger(module.ILogger):
        def __init__(self) -> None:
            module.ILogger.__init__(self)  # super() leaves the object behind it unmade
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (module.ILogger.ERROR, module.ILogger.INTERNAL_ERROR):
                self.errors = [*self.errors, message.strip()][-_KEPT_ERRORS:]

    return Logger()


def window_graph(path: Path) -> bytes:
    """Read the part of an ONNX file of `pstmo export` that takes windows.

    Raises:
        EngineError: if the file holds no window graph.
    """
    try:
        return keep_outputs(path.read_bytes(), WINDOW_OUTPUTS)
    except ValueError as error:
        raise EngineError(
            f"{path}: holds no window graph ({error}); export the network again, with both graphs"
        ) from error


def build_engine(module: Any, onnx: bytes, config: EngineConfig) -> bytes:
    """Build in this process; CUDA must be known to be there, except for `tensorrt_rtx`.

    Raises:
        EngineError: if TensorRT refuses; with its own words.
    """
    logger = make_logger(module)
    builder = module.Builder(logger)
    network = builder.create_network(_network_flags(module, config.precision))
    parser = module.OnnxParser(network, logger)
    if not parser.parse(onnx):
        faults = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise EngineError(f"TensorRT cannot read the ONNX file: {'; '.join(faults)}")
    settings = _builder_config(module, builder, network, config)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise EngineError(f"TensorRT built no engine: {'; '.join(logger.errors) or 'no reason'}")
    return bytes(plan)


def _network_flags(module: Any, precision: str) -> int:
    """Choose how the network is typed.

    8.x needs EXPLICIT_BATCH; from 10 it is the only way. A strongly typed network keeps the types
    of the ONNX file, which is fp32; for fp16 the network must be weakly typed and the builder free
    to choose, which ended with TensorRT 11.
    """
    flags = module.NetworkDefinitionCreationFlag
    chosen = 0
    if hasattr(flags, "EXPLICIT_BATCH") and int(module.__version__.split(".")[0]) < 10:
        chosen |= 1 << int(flags.EXPLICIT_BATCH)
    if precision == "fp32" and hasattr(flags, "STRONGLY_TYPED"):
        chosen |= 1 << int(flags.STRONGLY_TYPED)
    return chosen


def _builder_config(module: Any, builder: Any, network: Any, config: EngineConfig) -> Any:
    flags, settings = module.BuilderFlag, builder.create_builder_config()
    settings.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, config.workspace * _MEBIBYTE)
    if hasattr(flags, "TF32"):  # on by default: ten bits of mantissa where fp32 was asked for
        settings.clear_flag(flags.TF32)
    if config.precision == "fp16":
        if not hasattr(flags, "FP16"):
            raise EngineError(
                f"{module.__name__} {module.__version__} takes the precision from the ONNX file, "
                "and pstmo exports fp32 ones: choose precision fp32"
            )
        settings.set_flag(flags.FP16)
    if hasattr(getattr(module, "PreviewFeature", None), "PROFILE_SHARING_0806"):
        # One context a batch size, all of one profile; 8.6 allows it on demand, later ones always.
        settings.set_preview_feature(module.PreviewFeature.PROFILE_SHARING_0806, True)
    settings.add_optimization_profile(_profile(builder, network, config))
    return settings


def _profile(builder: Any, network: Any, config: EngineConfig) -> Any:
    """Say how many rows there are: the first size of each input, and no other one, is dynamic."""
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        rows, *shape = tuple(tensor.shape)
        if rows != -1 or -1 in shape:
            raise EngineError(f"the ONNX file's input {tensor.name} has the shape {[rows, *shape]}")
        profile.set_shape(tensor.name, *((people, *shape) for people in config.profile))
    return profile


def build_apart(
    onnx: bytes,
    config: EngineConfig,
    say: Callable[[str], object],
    name: str,
    progress: float = PROGRESS,
) -> bytes:
    """Build in a process of its own, saying every `progress` seconds that it is under way.

    Args:
        onnx: the graph, of an ONNX file's bytes.
        config: what is chosen about the engine.
        say: called with each report of progress.
        name: what to call the network in what is said.
        progress: seconds.

    Raises:
        EngineError: if TensorRT refuses or its process dies; with its last words.
    """
    say(f"building a TensorRT engine of {name}, {config.precision}; this can take minutes")
    command = [
        sys.executable,
        "-c",
        "from pstmo_core.runtime.tensorrt.build import _main; _main()",
        json.dumps(dataclasses.asdict(config)),
    ]
    # The child finds what this process finds, and nothing in the folder that it happens to be in.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONSAFEPATH": "1",
    }
    pipe = subprocess.PIPE
    with os.fdopen(os.memfd_create("onnx"), "w+b") as graph:
        graph.write(onnx)
        graph.seek(0)
        with subprocess.Popen(
            command, stdin=graph, stdout=pipe, stderr=pipe, env=environment
        ) as child:
            try:
                plan, words = _wait(child, say, name, progress)
            except BaseException:
                child.kill()
                raise
    if child.returncode or not plan:
        last = words.decode(errors="replace").strip().splitlines()[-1:] or ["no word"]
        raise EngineError(f"the build ended with code {child.returncode}: {last[0]}")
    return plan


def _wait(
    child: subprocess.Popen[bytes], say: Callable[[str], object], name: str, progress: float
) -> tuple[bytes, bytes]:
    for turn in itertools.count(1):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=progress)
        say(f"still building a TensorRT engine of {name}, {turn * progress:.0f} s so far")
    raise AssertionError("never reached")


def _main() -> None:
    """Run in the child: ONNX from standard input, engine to standard output, or a reason."""
    _die_with_parent()
    with os.fdopen(os.dup(1), "wb") as output:
        os.dup2(2, 1)  # TensorRT's own prints go elsewhere
        config = EngineConfig(**json.loads(sys.argv[1]))
        try:
            plan = build_engine(tensorrt_module(config.module), sys.stdin.buffer.read(), config)
        except (EngineError, BackendUnavailable) as error:
            sys.exit(str(error))
        output.write(plan)


def _die_with_parent() -> None:
    """Ask the kernel to end this process with its parent: nobody would take the engine."""
    death_signal = 1  # PR_SET_PDEATHSIG
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(death_signal, signal.SIGKILL)
