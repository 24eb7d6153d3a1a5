"""Reads the ONNX files of `pstmo export`: the part that the backends share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from pstmo_core.errors import ConfigError, quoted
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.trained_on import H36M17, TrainedOn
from pstmo_core.runtime.base import CONFIG_KEY, LIVE_KEY, BackendUnavailable, RuntimeLoadError
from pstmo_core.runtime.onnx_external_data import external_tensor
from pstmo_core.runtime.onnx_graph import metadata, output_names

Config = TypeVar("Config")

#: What an ONNX file holds, by the key of its configuration.
KINDS = {
    CONFIG_KEY: "a network that lifts windows (STMO)",
    LIVE_KEY: "a network that lifts streams (STMO-Live)",
}
LARGEST_MODEL = 1 << 30
"""Bytes of a model file: a thousand times the shipped one. It is read into memory."""
WIDEST_ROW = 1 << 14
"""Numbers that are kept of each frame and person: memory for a whole window of everybody is taken
at the start. The shipped network keeps 256."""


def read_model(path: Path, outputs: Iterable[str]) -> tuple[bytes, ModelConfig]:
    """Read a file of a network STMO that must hold a graph with some outputs.

    Raises: as `read_network`.
    """
    return read_network(path, CONFIG_KEY, ModelConfig.from_json, lambda config: outputs)


def read_network(
    path: Path,
    key: str,
    read_config: Callable[[str], Config],
    outputs: Callable[[Config], Iterable[str]],
) -> tuple[bytes, Config]:
    """Read a file that must hold a network of one kind.

    Args:
        path: the file.
        key: that of the configuration in its metadata, one of `KINDS`.
        read_config: reads the configuration; raises `ConfigError`.
        outputs: returns the outputs that the graph of a configuration must have.

    Raises:
        RuntimeLoadError: if it is missing, broken, without that graph, not of this program and
            version, or trained on other joints than keypoints are turned into, Human3.6M's.
        BackendUnavailable: if it holds weights for torch.
    """
    if path.suffix == ".safetensors":
        raise BackendUnavailable(
            f"{path.name} is not an ONNX file; 'pstmo export' makes one from it"
        )
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such model file"
        raise RuntimeLoadError(
            f"{path}: {what}; give the path of an ONNX file written by 'pstmo export', "
            "the name of a shipped network (stmo_27, stmo_live), or nothing for the default"
        )
    if (size := path.stat().st_size) > LARGEST_MODEL:
        raise RuntimeLoadError(
            f"{path}: has {size} bytes, but a model has at most {LARGEST_MODEL}: is it the right "
            "file?"
        )
    model = path.read_bytes()
    try:
        if (outside := external_tensor(model)) is not None:
            raise RuntimeLoadError(
                f"{path}: keeps the tensor {quoted(outside)} in another file, which is refused, as "
                "a model could open any file so: save it in one file"
            )
        held, names = metadata(model), set(output_names(model))
    except RuntimeLoadError:
        raise
    except ValueError as error:
        raise unreadable(path, error) from error
    if key not in held:
        other = next((kind for name, kind in KINDS.items() if name in held), "")
        raise RuntimeLoadError(
            f"{path}: holds {other}, but this works with {KINDS[key]} only"
            if other
            else f"{path}: holds no pstmo configuration; export the model with 'pstmo export'"
        )
    try:
        read = read_config(held[key])
        TrainedOn.stated_in(held).require(H36M17)
    except ConfigError as error:
        raise RuntimeLoadError(f"{path}: {error}") from error
    if missing := set(outputs(read)) - names:
        raise RuntimeLoadError(
            f"{path}: has no output {', '.join(sorted(missing))}, as a file of an earlier version "
            "or of another kind; export the model again with 'pstmo export'"
        )
    return model, read


def check_row(path: Path, width: int) -> int:
    """Return the width of the rows that a graph gives to be kept.

    Raises:
        RuntimeLoadError: if no memory should be taken for so much.
    """
    if not 0 < width <= WIDEST_ROW:
        raise RuntimeLoadError(
            f"{path}: keeps {width} numbers of each frame, but must keep 1 to {WIDEST_ROW}"
        )
    return width


def unreadable(path: Path, error: Exception) -> RuntimeLoadError:
    """Return the error for a file that a library does not take."""
    reason = str(error).strip().splitlines()[0]
    return RuntimeLoadError(f"{path}: not a readable ONNX file, perhaps truncated ({reason})")
