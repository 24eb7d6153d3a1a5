"""Weight files: safetensors with the model's configuration and joint orders inside."""

from __future__ import annotations

import json
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pstmo_core.atomic_files import atomic_file
from pstmo_core.errors import ConfigError, PstmoError, quoted
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.live.network import STMOLive
from pstmo_core.model.masked import MaskedConfig, MaskedSTMO
from pstmo_core.model.official_checkpoints import convert_official
from pstmo_core.model.refine import Refine, RefineConfig
from pstmo_core.model.stmo import STMO, UnseenJoints
from pstmo_core.model.trained_on import TrainedOn

Network = STMO | MaskedSTMO | Refine | STMOLive


class CheckpointError(PstmoError):
    """A weight file that cannot be used; says what is wrong with it."""


@dataclass(frozen=True)
class _Kind:
    """A kind of network that has weight files."""

    name: str
    network: type[Network]
    config: type[ModelConfig | RefineConfig | LiveConfig]

    @property
    def key(self) -> str:
        """Where the file's metadata hold the configuration."""
        return self.config.key


_LIFTER = _Kind("a lifting network", STMO, ModelConfig)
_MASKED = _Kind("a stage-I network", MaskedSTMO, MaskedConfig)
_REFINE = _Kind("a refine module", Refine, RefineConfig)
_LIVE = _Kind("a streaming network", STMOLive, LiveConfig)
_FOREIGN = "holds no pstmo configuration: not written by pstmo"
_KINDS = (_LIFTER, _MASKED, _REFINE, _LIVE)


def save_weights(model: Network, path: Path | str) -> None:
    """Write the weights, the configuration and the joint orders of a model, atomically."""
    key = next(kind.key for kind in _KINDS if isinstance(model, kind.network))
    metadata = {key: model.config.to_json(), **model.trained_on.metadata()}
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    with atomic_file(Path(path)) as partial:  # save_file makes a file that others cannot read
        partial.write_bytes(_in_order(save(state, metadata)))


def _in_order(saved: bytes) -> bytes:
    """Return a safetensors file with its metadata sorted: safetensors writes them in any order.

    Equal networks give equal files, by which the tests of resuming go.
    """
    body = 8 + int.from_bytes(saved[:8], "little")
    header = json.loads(saved[8:body])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + saved[body:]


def load_weights(path: Path | str) -> STMO:
    """Read a weight file and return its model in float32 and evaluation mode.

    Raises:
        CheckpointError: if the file is missing, broken or of another program, version or kind.
    """
    return _load(path, _LIFTER)


def load_masked(path: Path | str) -> MaskedSTMO:
    """Read a stage-I network; errors as of `load_weights`."""
    return _load(path, _MASKED)


def load_refine(path: Path | str) -> Refine:
    """Read a refine module; errors as of `load_weights`."""
    return _load(path, _REFINE)


def load_live(path: Path | str) -> STMOLive:
    """Read a streaming network; errors as of `load_weights`."""
    return _load(path, _LIVE)


def load_lifter(path: Path | str) -> STMO | STMOLive:
    """Read a network that lifts, of windows or streams; errors as of `load_weights`."""
    metadata, _ = _read(path)
    return _load(path, _LIVE if _LIVE.key in metadata else _LIFTER)


def load_encoder(model: STMO, masked: MaskedSTMO) -> None:
    """Start a stage-II network from the SEM and TEM of a stage-I network (paper, section 3.3).

    Raises:
        CheckpointError: if the two networks' encoders differ in shape or input.
    """
    shape = ("frames", "layers", "width", "feedforward", "heads")
    names = (*shape, "sem", "sem_width", "sem_blocks", "encoding")
    pairs = {name: (getattr(masked.config, name), getattr(model.config, name)) for name in names}
    if wrong := [f"{name} {a!r} not {b!r}" for name, (a, b) in pairs.items() if a != b]:
        raise CheckpointError(f"the stage-I network is of another shape: {', '.join(wrong)}")
    model.sem.load_state_dict(masked.sem.state_dict())
    model.tem.load_state_dict(masked.tem.state_dict())
    if isinstance(model.unseen, UnseenJoints):
        model.unseen.embedding.data.copy_(masked.spatial_padding.data)


def load_official(
    state_dict: Mapping[str, Tensor], step: float = 0.04
) -> tuple[Network, ModelConfig | RefineConfig]:
    """Turn a state dict of the authors' code into a network of this project.

    Stage I, stage II (P-STMO-S and P-STMO, any of the window lengths) and the refine module are
    told apart, and frames, layers and widths found, from the names and shapes. The outputs are the
    authors'. Note that their network for in-the-wild videos has the same shapes, but was trained on
    keypoints in COCO's order; nothing in the file says so, and so `trained_on` states nothing.

    Args:
        state_dict: weights by name, as `read_state_dict` returns them.
        step: seconds between the frames that the network was trained on: temporal downsampling
            over frame rate, 2 / 50 for the authors' best on Human3.6M.

    Returns:
        The network in evaluation mode, and its configuration.

    Raises:
        CheckpointError: if keys are missing or unknown, each named, or shapes do not fit.
    """
    try:
        model = convert_official(state_dict, step)
    except PstmoError as error:
        raise CheckpointError(f"not a checkpoint of the authors' code: {error}") from error
    return model, model.config


def read_state_dict(path: Path | str) -> dict[str, Tensor]:
    """Read a file written by `torch.save`, without running anything that is in it.

    Raises:
        CheckpointError: if the file is missing or broken, or holds more than tensors.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that were not written by torch
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such checkpoint") from error
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it asks for {asked[1]}" if asked else "it holds more than tensors, or is broken"
        raise CheckpointError(f"{path}: refused, nothing in it was run: {reason}") from error
    except Exception as error:  # what a broken file makes the reader raise has no common class
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path}: not a readable checkpoint ({reason})") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: holds {type(state).__name__}, not weights by name")
    return state


def _read(path: Path | str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the metadata and the weights of a file."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return metadata, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such weight file") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: {_no_weights(Path(path), error)}") from error


def _no_weights(path: Path, error: Exception) -> str:
    """Say what is given instead of a file of weights, and where those may be."""
    if path.suffix == ".onnx":
        return "is an ONNX file; give the safetensors file that it was exported from"
    beside = path.with_suffix(".safetensors")  # of last.pt, the state of a run
    if path.is_dir():
        found = sorted(path.glob("*.safetensors"))
        there = f" in it, such as {found[0].name}" if found else ""
        return f"is a folder; give a safetensors file{there}"
    if beside != path and beside.is_file():
        return f"is no safetensors file; give {beside.name}, which lies beside it"
    return f"not a readable safetensors file ({error})"


def _load(path: Path | str, kind: _Kind) -> Any:
    metadata, state = _read(path)
    if kind.key not in metadata:
        held = [other.name for other in _KINDS if other.key in metadata]
        fault = f"holds {held[0]}, not {kind.name}" if held else _FOREIGN
        raise CheckpointError(f"{path}: {fault}")
    try:
        config = kind.config.from_json(metadata[kind.key])
        _check_shapes(kind, config, state)
        model = kind.network(config)  # type: ignore[arg-type]
        model.trained_on = TrainedOn.stated_in(metadata)
        model.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
    except (ConfigError, RuntimeError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    return model.eval()


def _check_shapes(kind: _Kind, config: Any, state: Mapping[str, Tensor]) -> None:
    """Compare names and shapes with those of the network before memory is taken for its weights.

    A configuration can name a network of a hundred gigabytes.

    Raises:
        RuntimeError: if they differ; says how.
    """
    with torch.device("meta"):
        empty = kind.network(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nothing is copied
        empty.load_state_dict(state)


def pick_device(name: str = "auto") -> torch.device:
    """Return the device for a name; `auto` takes CUDA where it is.

    Raises:
        ConfigError: if there is no such device, or none here.
    """
    device = named_device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device is {name}, but torch finds no GPU: use device=cpu, or auto")
    return device


def named_device(name: str) -> torch.device:
    """Return the device for a name, whether it is here or not; errors as of `pick_device`."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device is {quoted(name)}, but must be auto, cpu or cuda") from error
