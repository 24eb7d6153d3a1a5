"""The ONNX Runtime backend: CPU everywhere, CUDA where its build has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from pstmo_core.config import ConfigError, ModelConfig
from pstmo_core.runtime.base import RuntimeLoadError

#: Key of the model configuration in the ONNX file's metadata, and names of input and outputs.
CONFIG_KEY = "pstmo_config"
INPUT, OUTPUTS = "frames", ("all_frames", "target")


class OnnxRuntime:
    """Runs a network from an ONNX file that `pstmo export` wrote."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if not path.is_file():
            raise RuntimeLoadError(
                f"{path}: no such model file; give the path of an ONNX file written by "
                "'pstmo export', or leave it empty for the shipped model"
            )
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises classes of its own for each kind of fault
            raise RuntimeLoadError(
                f"{path}: not a readable ONNX file, perhaps truncated ({_first_line(error)})"
            ) from error
        self.config = _config_of(self._session, path)
        self._path = path
        self._threads = threads

    def infer(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Runtime.infer`."""
        all_frames, target = self._session.run(list(OUTPUTS), {INPUT: frames})
        return all_frames, target

    def describe(self) -> str:
        """See `Runtime.describe`."""
        return (
            f"{self._path.name} ({self.config.frames} frames of {self.config.step * 1e3:.0f} ms) "
            f"on ONNX Runtime {onnxruntime.__version__}, CPU, {self._threads} thread(s)"
        )


def _config_of(session: onnxruntime.InferenceSession, path: Path) -> ModelConfig:
    metadata = session.get_modelmeta().custom_metadata_map
    if CONFIG_KEY not in metadata:
        raise RuntimeLoadError(
            f"{path}: holds no pstmo configuration; export the model with 'pstmo export'"
        )
    try:
        return ModelConfig.from_json(metadata[CONFIG_KEY])
    except ConfigError as error:
        raise RuntimeLoadError(f"{path}: {error}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
