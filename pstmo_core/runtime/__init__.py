"""Running a trained network without torch."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pstmo_core.runtime.base import Runtime, RuntimeLoadError
from pstmo_core.runtime.onnx import OnnxRuntime

__all__ = ["Runtime", "RuntimeLoadError", "load_runtime", "shipped_model"]


def shipped_model() -> Path:
    """Return the path of the ONNX file that comes with this package."""
    return Path(str(files("pstmo_core") / "weights" / "stmo_27.onnx"))


def load_runtime(path: Path | str | None = None, threads: int = 1) -> Runtime:
    """Load a network; without a path, the shipped one.

    Raises:
        RuntimeLoadError: if the file is missing, broken, or not of this program and version.
    """
    return OnnxRuntime(Path(path) if path else shipped_model(), threads)
