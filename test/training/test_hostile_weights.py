"""Weight files that claim what they do not hold are refused before memory is taken."""

from __future__ import annotations

import json
import resource
import struct
from pathlib import Path

import pytest

from pstmo_core.model.checkpoints import CheckpointError, load_weights
from pstmo_core.model.config import ModelConfig


def weights(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header


def header(config: str, **entry: object) -> bytes:
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | entry
    return json.dumps({"__metadata__": {"pstmo_config": config}, "sem.x": tensor}).encode()


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
