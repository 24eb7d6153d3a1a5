"""Weight and ONNX files: what goes in comes out, and broken files end in a sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from pstmo_core.data.motion.detector_errors import DetectorErrors
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.motion.sampler import Sampler, SamplerConfig
from pstmo_core.data.motion.windows import Clips
from pstmo_core.encoding import input_shape
from pstmo_core.model.checkpoints import CheckpointError, load_weights, save_weights
from pstmo_core.model.config import CONFIG_VERSION, ModelConfig
from pstmo_core.model.stmo import STMO
from pstmo_core.runtime import RuntimeLoadError, load_runtime, shipped_model
from pstmo_core.runtime.base import CONFIG_KEY
from pstmo_core.runtime.onnx_export import OPSET, export_onnx

SHIPPED_WEIGHTS = shipped_model().with_suffix(".safetensors")


@pytest.mark.parametrize("frames", [9, 27, 81, 243])
@pytest.mark.parametrize("batch", [1, 4])
def test_onnx_equals_torch(
    frames: int, batch: int, small_model: ModelConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(small_model, frames=frames)
    model = STMO(config).eval()
    assert export_onnx(model, tmp_path / "m.onnx") < 1e-4
    runtime = load_runtime(tmp_path / "m.onnx")
    assert runtime.config == config
    windows = torch.randn(batch, frames, *input_shape(config.encoding))
    with torch.inference_mode():
        expected = model(windows)
    np.testing.assert_allclose(runtime.lift(windows.numpy()), expected[1].numpy(), atol=1e-5)
    for frame in (0, model.config.frames - 1):
        ours, theirs = runtime.lift(windows.numpy(), frame), expected[0][:, frame]
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_the_shipped_onnx_equals_the_shipped_weights(mocap_file: Path) -> None:
    model, runtime = load_weights(SHIPPED_WEIGHTS), load_runtime()
    assert runtime.config == model.config
    seen = SamplerConfig(errors=DetectorErrors())
    clips, generator = Clips.of(load_mocap(mocap_file)), torch.Generator().manual_seed(0)
    windows = Sampler(clips, model.config, seen, generator).draw(64).frames
    with torch.inference_mode():
        expected = model(windows)
    answers = [(None, expected[1]), (0, expected[0][:, 0]), (26, expected[0][:, 26])]
    for frame, answer in answers:
        ours, theirs = runtime.lift(windows.numpy(), frame), answer.numpy()
        # MOFA's large sums cancel: in fp32 its pose is up to 5e-5 from that in float64.
        pose, sigma = (5e-5, 2e-4) if frame is None else (1e-5, 5e-5)
        np.testing.assert_allclose(ours[..., :3], theirs[..., :3], atol=pose)
        # Sigma is given as a logarithm, to which 5e-5 is one part in 20,000 of sigma.
        np.testing.assert_allclose(ours[..., 3], theirs[..., 3], atol=sigma)


def test_the_onnx_file_has_the_opset_that_tensorrt_8_reads() -> None:
    graph = onnx.load(shipped_model())
    assert [entry.version for entry in graph.opset_import if not entry.domain] == [OPSET]
    assert "Attention" not in {node.op_type for node in graph.graph.node}


def test_weights_survive_their_file(small_model: ModelConfig, tmp_path: Path) -> None:
    model = STMO(small_model).eval()
    save_weights(model, tmp_path / "w.safetensors")
    loaded = load_weights(tmp_path / "w.safetensors")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value)


def _broken(path: Path, whole: bytes, fault: str) -> Path:
    broken = {"truncated": whole[: len(whole) // 2], "empty": b"", "foreign": b"PK\x03\x04" * 99}
    path.write_bytes(broken[fault])
    return path


@pytest.mark.parametrize("fault", ["truncated", "empty", "foreign"])
def test_a_broken_onnx_file_is_refused_with_a_sentence(fault: str, tmp_path: Path) -> None:
    path = _broken(tmp_path / "m.onnx", shipped_model().read_bytes(), fault)
    with pytest.raises(RuntimeLoadError, match=r"m\.onnx: not a readable ONNX file"):
        load_runtime(path)


@pytest.mark.parametrize("fault", ["truncated", "empty", "foreign"])
def test_a_broken_weight_file_is_refused_with_a_sentence(fault: str, tmp_path: Path) -> None:
    path = _broken(tmp_path / "w.safetensors", SHIPPED_WEIGHTS.read_bytes(), fault)
    with pytest.raises(CheckpointError, match=r"w\.safetensors: not a readable"):
        load_weights(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeLoadError, match=r"none\.onnx: no such model file"):
        load_runtime(tmp_path / "none.onnx")
    with pytest.raises(CheckpointError, match="no such weight file"):
        load_weights(tmp_path / "none.safetensors")


def test_an_onnx_file_of_another_program_or_version_is_refused(tmp_path: Path) -> None:
    graph = onnx.load(shipped_model())
    (entry,) = [entry for entry in graph.metadata_props if entry.key == CONFIG_KEY]
    entry.value = entry.value.replace(f'"config_version": {CONFIG_VERSION}', '"config_version": 99')
    onnx.save(graph, tmp_path / "new.onnx")
    with pytest.raises(RuntimeLoadError, match="version 99"):
        load_runtime(tmp_path / "new.onnx")
    del graph.metadata_props[:]
    onnx.save(graph, tmp_path / "other.onnx")
    with pytest.raises(RuntimeLoadError, match="no pstmo configuration"):
        load_runtime(tmp_path / "other.onnx")
