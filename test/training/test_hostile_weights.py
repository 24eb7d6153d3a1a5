"""Weight files that claim what they do not hold are refused before memory is taken."""

from __future__ import annotations

import json
import resource
import struct
from pathlib import Path

import pytest

from pstmo_core.errors import ConfigError
from pstmo_core.model.checkpoints import CheckpointError, load_live, load_masked, load_weights
from pstmo_core.model.config import DEEPEST, WIDEST, ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.masked import MaskedConfig


def weights(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header


def header(config: str, key: str = "pstmo_config", **entry: object) -> bytes:
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | entry
    return json.dumps({"__metadata__": {key: config}, "sem.x": tensor}).encode()


CONFIG = ModelConfig().to_json()
GIANT = json.dumps(json.loads(CONFIG) | {"width": 1 << 20, "sem_width": 1 << 20})
HOSTILE = {
    "a header of 16 EB": weights(b"{}", 1 << 60),
    "a tensor of 4 TB": weights(header(CONFIG, shape=[1 << 40])) + bytes(4),
    "offsets beyond the end": weights(header(CONFIG, data_offsets=[0, 1 << 40])) + bytes(4),
    "endless nesting": weights(b"[" * 10**6),
    "a network of terabytes": weights(header(GIANT)) + bytes(4),
    "a configuration that is a number": weights(header("9" * 5000)) + bytes(4),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_weight_file_that_claims_too_much_is_refused(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(HOSTILE[fault])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError) as refused:
        load_weights(path)
    assert len(str(refused.value)) < 600 + len(str(path))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


#: What a configuration may name is some hundred gigabytes, of which the file holds four bytes.
LARGE = {"width": WIDEST, "feedforward": WIDEST, "sem_width": WIDEST, "layers": DEEPEST}
KINDS = {
    "pstmo_config": (load_weights, ModelConfig(**LARGE)),
    "pstmo_masked_config": (load_masked, MaskedConfig(decoder_layers=DEEPEST, **LARGE)),
    "pstmo_live_config": (load_live, LiveConfig(**LARGE | {"heads": 16, "key_heads": 16})),
}


@pytest.mark.parametrize("key", KINDS)
def test_the_largest_network_that_can_be_named_takes_no_memory(key: str, tmp_path: Path) -> None:
    load, config = KINDS[key]
    path = tmp_path / "w.safetensors"
    path.write_bytes(weights(header(config.to_json(), key)) + bytes(4))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="Missing key"):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize(
    "size", [{"decoder_layers": 10**9}, {"decoder_width": 1 << 40}, {"decoder_feedforward": 10**9}]
)
def test_a_decoder_that_is_too_large_is_refused(size: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(size))} is "):
        MaskedConfig(**size)
