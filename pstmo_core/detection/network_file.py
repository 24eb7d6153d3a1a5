"""Opens the ONNX files of detectors' networks."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from pstmo_core.detection.base import DetectorError
from pstmo_core.errors import quoted
from pstmo_core.runtime.onnx_external_data import external_tensor
from pstmo_core.runtime.onnx_options import session_options

#: Where the networks that come with the package are.
WEIGHTS = Path(__file__).parents[1] / "weights"


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Open an ONNX file on the CPU.

    Raises:
        DetectorError: if it is missing or broken, or keeps weights in other files.
    """
    if not path.is_file():
        raise DetectorError(f"{path}: no such file; the detector's network must be an ONNX file")
    providers = ["CPUExecutionProvider"]
    try:
        outside = external_tensor(path.read_bytes())
    except ValueError as error:
        raise DetectorError(f"{path}: not a readable ONNX file ({error})") from error
    if outside is not None:
        raise DetectorError(
            f"{path}: keeps the tensor {quoted(outside)} in another file, which is refused, as a "
            "model could open any file so: save it in one file"
        )
    try:
        return onnxruntime.InferenceSession(
            str(path), session_options(threads), providers=providers
        )
    except Exception as error:  # ONNX Runtime raises classes of its own for each kind of fault
        line = str(error).strip().splitlines()[0]
        raise DetectorError(f"{path}: not a readable ONNX file ({line})") from error
