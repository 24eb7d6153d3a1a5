"""Running a trained network: one interface, `Runtime`, and backends to choose from."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from pathlib import Path

from pstmo_core.runtime.base import (
    BACKENDS,
    PRECISIONS,
    BackendUnavailable,
    Runtime,
    RuntimeLoadError,
)
from pstmo_core.runtime.kind import holds_live
from pstmo_core.runtime.live.base import LiveRuntime
from pstmo_core.settings import user_path

__all__ = [
    "BACKENDS",
    "PRECISIONS",
    "SHIPPED",
    "AnyRuntime",
    "BackendUnavailable",
    "LiveRuntime",
    "Runtime",
    "RuntimeLoadError",
    "find_model",
    "load_runtime",
    "load_window_runtime",
    "shipped_model",
]

#: The module of each backend, imported when its turn comes: each needs a package of its own.
_MODULES = {
    "tensorrt": "pstmo_core.runtime.tensorrt.backend",
    "onnxruntime": "pstmo_core.runtime.onnx",
    "openvino": "pstmo_core.runtime.openvino",
    "torch": "pstmo_core.runtime.torch",
}
#: Those of networks STMO-Live; the others do not run them yet.
_LIVE_MODULES = {
    "tensorrt": "pstmo_core.runtime.live.tensorrt",
    "onnxruntime": "pstmo_core.runtime.live.onnx",
    "torch": "pstmo_core.runtime.live.torch",
}

#: The networks that come with this package; the first is the default.
SHIPPED = ("stmo_27", "stmo_live")

#: A loaded network of either kind.
AnyRuntime = Runtime | LiveRuntime


def shipped_model(name: str = SHIPPED[0]) -> Path:
    """Return the path of an ONNX file that comes with this package."""
    return Path(str(files("pstmo_core") / "weights" / f"{name}.onnx"))


def find_model(path: Path | str | None) -> Path:
    """Return the path of an ONNX file: a shipped one by its name, the default one without any."""
    if not path:
        return shipped_model()
    found = user_path(path)
    return shipped_model(str(path)) if str(path) in SHIPPED and not found.exists() else found


def load_runtime(
    path: Path | str | None = None,
    threads: int = 1,
    backend: str = "auto",
    precision: str = "fp32",
) -> AnyRuntime:
    """Load a network; without a path, the shipped one.

    Args:
        path: an ONNX file of `pstmo export`, or the name of a shipped one: "stmo_27" (windows) or
            "stmo_live" (streams). For torch, its weights lie beside it or are the path.
            The file says whether it holds a network that lifts windows (STMO, a `Runtime`) or
            streams (STMO-Live, a `LiveRuntime`).
        threads: CPU threads of the network; more than one help little and can hurt a lot.
        backend: one of `BACKENDS`, or "auto" for the first of them that can run it here. Why
            others could not is in the result's `passed_over` and `explain()`.
        precision: one of `PRECISIONS`, of the matrix products.

    Raises:
        RuntimeLoadError: if backend or precision are not known, the file is missing, broken, or not
            of this program and version, or (`BackendUnavailable`) no backend that was asked for
            can run it here.
    """
    _require("backend", backend, ("auto", *BACKENDS))
    _require("precision", precision, PRECISIONS)
    path = find_model(path)
    modules = _LIVE_MODULES if holds_live(path) else _MODULES
    passed_over: list[str] = []
    for name in BACKENDS if backend == "auto" else (backend,):
        try:
            if name not in modules:
                raise BackendUnavailable("does not run networks that lift streams (STMO-Live) yet")
            runtime = _load(modules[name], path, threads, precision)
        except BackendUnavailable as error:
            passed_over.append(f"not {name}: {error}")
            continue
        runtime.passed_over = tuple(passed_over)
        return runtime
    raise BackendUnavailable(
        f"{path.name} cannot be run here in {precision}: {'; '.join(passed_over)}"
    )


def load_window_runtime(
    path: Path | str | None = None,
    threads: int = 1,
    backend: str = "auto",
    precision: str = "fp32",
) -> Runtime:
    """Load a network as `load_runtime` does, for what works with windows only.

    Raises:
        RuntimeLoadError: also if the file holds a network that lifts streams.
    """
    runtime = load_runtime(path, threads, backend, precision)
    if isinstance(runtime, LiveRuntime):
        raise RuntimeLoadError(
            f"{path}: holds a network that lifts streams (STMO-Live), but this works with windows: "
            "give a network STMO"
        )
    return runtime


def _load(module_name: str, path: Path, threads: int, precision: str) -> AnyRuntime:
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise BackendUnavailable(str(error)) from error
    runtime: AnyRuntime = module.load(path, threads, precision)
    return runtime


def _require(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise RuntimeLoadError(f"{name} is {value!r}, but must be one of {', '.join(known)}")
