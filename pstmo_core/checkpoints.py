"""Weight files: safetensors with the model's configuration inside."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pstmo_core.config import ConfigError, ModelConfig
from pstmo_core.errors import PstmoError
from pstmo_core.model.stmo import STMO

_CONFIG_KEY = "pstmo_config"


class CheckpointError(PstmoError):
    """A weight file that cannot be used; says what is wrong with it."""


def save_weights(model: STMO, path: Path | str, *, half: bool = False) -> None:
    """Write the weights and the configuration of a model, atomically.

    `half` stores the weights in half the space; they are computed with in float32 all the same.
    """
    state = {
        name: value.half() if half and value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    metadata = {_CONFIG_KEY: model.config.to_json()}
    save_file({name: value.contiguous() for name, value in state.items()}, partial, metadata)
    os.replace(partial, path)


def load_weights(path: Path | str) -> STMO:
    """Read a weight file and return its model in float32 and evaluation mode.

    Raises:
        CheckpointError: if the file is missing, broken or of another program or version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such weight file") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error
    if _CONFIG_KEY not in metadata:
        raise CheckpointError(f"{path}: holds no pstmo configuration: not written by pstmo")
    try:
        model = STMO(ModelConfig.from_json(metadata[_CONFIG_KEY]))
        model.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
    except (ConfigError, RuntimeError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    return model.eval()


def pick_device(name: str = "auto") -> torch.device:
    """Return the device for a name; `auto` takes CUDA where it is."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
