"""Reads an ONNX file of a network STMO-Live."""

from __future__ import annotations

from pathlib import Path

from pstmo_core.model.live.config import LiveConfig
from pstmo_core.runtime.base import LIVE_KEY, RuntimeLoadError
from pstmo_core.runtime.live.graphs import GRAPHS, output_names_of
from pstmo_core.runtime.onnx_file import read_network

#: Most numbers that are kept of a person: memory for everybody is taken at the start.
LARGEST_STATE = 1 << 20


def read_live_model(path: Path) -> tuple[bytes, LiveConfig]:
    """Read a file; raises as `read_network`, and where a person's memory is too large."""
    model, config = read_network(path, LIVE_KEY, LiveConfig.from_json, _outputs)
    check_state(path, config)
    return model, config


def check_state(path: Path, config: LiveConfig) -> None:
    """Check what a network keeps of each person before memory is taken for it.

    Raises:
        RuntimeLoadError: if it is too much.
    """
    if not 0 < config.state_size <= LARGEST_STATE:
        raise RuntimeLoadError(
            f"{path}: keeps {config.state_size} numbers of each person, but may keep 1 to "
            f"{LARGEST_STATE}"
        )


def _outputs(config: LiveConfig) -> list[str]:
    return [name for graph in GRAPHS for name in output_names_of(graph, config)]
