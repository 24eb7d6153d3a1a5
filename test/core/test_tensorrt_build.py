"""Building engines: by a stand-in of each generation of TensorRT, and by `tensorrt_rtx` for real.

That one builds without a GPU, where it is installed.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import fake_tensorrt
import pytest
from stand_in_gpu import CONFIG

from pstmo_core.encoding import input_shape
from pstmo_core.errors import ConfigError
from pstmo_core.model.config import ModelConfig
from pstmo_core.runtime import Runtime, shipped_model
from pstmo_core.runtime.tensorrt.build import (
    EngineConfig,
    build_apart,
    build_engine,
    tensorrt_module,
    window_graph,
)
from pstmo_core.runtime.tensorrt.engine_files import EngineError

MODEL = shipped_model()


#: What each generation offers: flags of networks and of builders, preview features.
GENERATIONS = {
    "8.6.1": ({"EXPLICIT_BATCH": 0}, {"FP16": 0, "TF32": 7}, {"PROFILE_SHARING_0806": 3}),
    "10.3.0": ({"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}, {"FP16": 0, "TF32": 7}, {}),
    "11.0.0": ({"STRONGLY_TYPED": 1}, {"TF32": 7}, {}),
}


@pytest.mark.parametrize(
    ("version", "precision", "network", "builder"),
    [
        ("8.6.1", "fp32", 0b01, []),
        ("8.6.1", "fp16", 0b01, [0]),
        ("10.3.0", "fp32", 0b10, []),
        ("10.3.0", "fp16", 0b00, [0]),
        ("11.0.0", "fp32", 0b10, []),
    ],
)
def test_each_generation_of_tensorrt_gets_the_flags_that_it_knows(
    version: str,
    precision: str,
    network: int,
    builder: list[int],
    monkeypatch: pytest.MonkeyPatch,
    shipped: Runtime,
) -> None:
    _become(version, monkeypatch)
    plan = build_engine(fake_tensorrt, window_graph(MODEL), EngineConfig(precision, people=4))
    header = json.loads(plan.split(b"\n", 1)[0])
    assert header["network_flags"] == network
    assert header["builder_flags"] == builder  # and never TF32
    window = [27, *input_shape(shipped.config.encoding)]
    assert header["shapes"] == {"frames": [[people, *window] for people in (1, 1, 4)]}


def test_tensorrt_11_says_why_it_builds_no_fp16(monkeypatch: pytest.MonkeyPatch) -> None:
    _become("11.0.0", monkeypatch)
    with pytest.raises(EngineError, match="takes the precision from the ONNX file"):
        build_engine(fake_tensorrt, window_graph(MODEL), EngineConfig("fp16"))


def _become(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, builder, preview = (SimpleNamespace(**flags) for flags in GENERATIONS[version])
    monkeypatch.setattr(fake_tensorrt, "__version__", version)
    monkeypatch.setattr(fake_tensorrt, "NetworkDefinitionCreationFlag", network)
    monkeypatch.setattr(fake_tensorrt, "BuilderFlag", builder)
    monkeypatch.setattr(fake_tensorrt, "PreviewFeature", preview, raising=False)


def test_a_file_that_is_no_network_is_refused_in_tensorrts_words(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"not a network")
    with pytest.raises(EngineError, match=r"net.onnx: holds no window graph"):
        window_graph(tmp_path / "net.onnx")
    with pytest.raises(EngineError, match="TensorRT cannot read the ONNX file"):
        build_engine(fake_tensorrt, b"not a network", CONFIG)


def test_wrong_settings_of_an_engine_are_a_sentence() -> None:
    with pytest.raises(ConfigError, match="precision is 'int8'"):
        EngineConfig("int8")
    with pytest.raises(ConfigError, match="people is 0"):
        EngineConfig(people=0)


@pytest.fixture(scope="module")
def rtx() -> object:
    return pytest.importorskip("tensorrt_rtx", reason="needs tensorrt-rtx, which builds anywhere")


def test_tensorrt_rtx_builds_the_shipped_network_without_a_gpu(rtx: object) -> None:
    graph = window_graph(MODEL)
    plan = build_apart(graph, EngineConfig(module="tensorrt_rtx"), print, MODEL.name)
    assert len(plan) > len(graph) // 2


def test_tensorrt_rtx_builds_a_network_of_243_frames(rtx: object, tmp_path: Path) -> None:
    export = pytest.importorskip("pstmo_core.runtime.onnx_export", reason="needs torch").export_onnx
    stmo = pytest.importorskip("pstmo_core.model.stmo", reason="needs torch")
    sizes = {"frames": 243, "width": 64, "feedforward": 128, "sem_width": 128}
    export(stmo.STMO(ModelConfig(**sizes)), tmp_path / "m.onnx")
    graph = window_graph(tmp_path / "m.onnx")
    plan = build_engine(tensorrt_module("tensorrt_rtx"), graph, EngineConfig())
    assert len(plan) > len(graph) // 2


def test_tensorrt_rtx_says_what_it_cannot_do(rtx: object) -> None:
    module = tensorrt_module("tensorrt_rtx")
    with pytest.raises(EngineError, match="takes the precision from the ONNX file"):
        build_engine(module, window_graph(MODEL), EngineConfig("fp16", module="tensorrt_rtx"))
    with pytest.raises(EngineError, match="cannot read the ONNX file"):
        build_engine(module, b"not a network", EngineConfig(module="tensorrt_rtx"))


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("Builder", "Builder"),
        ("Runtime", "Runtime"),
        ("OnnxParser", "OnnxParser"),
        ("_Network", "INetworkDefinition"),
        ("_Profile", "IOptimizationProfile"),
        ("_BuilderConfig", "IBuilderConfig"),
        ("_Engine", "ICudaEngine"),
        ("_Context", "IExecutionContext"),
    ],
)
def test_the_stand_in_has_no_method_that_tensorrt_lacks(
    name: str, theirs: str, rtx: object
) -> None:
    offered = {key for key in vars(getattr(fake_tensorrt, name)) if not key.startswith("_")}
    assert offered <= set(dir(getattr(rtx, theirs)))


def test_the_stand_in_has_no_call_that_the_drivers_bindings_lack() -> None:
    driver = pytest.importorskip("cuda.bindings.driver", reason="needs cuda-python")
    offered = {name[1:] for name in vars(fake_tensorrt.FakeDriver) if name.startswith("_cu")}
    assert offered <= set(dir(driver))
