"""Taking a part out of an ONNX file."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

pytest.importorskip("onnx", reason="needs onnx")

import onnx

from pstmo_core.detection.base import DetectorError
from pstmo_core.detection.network_file import open_session
from pstmo_core.errors import ConfigError
from pstmo_core.model.config import ModelConfig
from pstmo_core.runtime import RuntimeLoadError, load_runtime, shipped_model
from pstmo_core.runtime.base import CONFIG_KEY, STEP_OUTPUTS, WINDOW_INPUTS, WINDOW_OUTPUTS
from pstmo_core.runtime.onnx_external_data import external_tensor
from pstmo_core.runtime.onnx_graph import keep_outputs, metadata, output_names

MODEL = shipped_model().read_bytes()


@pytest.mark.parametrize("outputs", [WINDOW_OUTPUTS, STEP_OUTPUTS[:1], STEP_OUTPUTS[1:]])
def test_a_part_is_a_valid_file_with_nothing_unused_in_it(outputs: tuple[str, ...]) -> None:
    part = onnx.load_from_string(keep_outputs(MODEL, outputs))
    onnx.checker.check_model(part, full_check=True)
    assert {value.name for value in part.graph.output} == set(outputs)
    used = {name for node in part.graph.node for name in node.input}
    assert {value.name for value in part.graph.input} <= used
    assert {value.name for value in part.graph.initializer} <= used
    assert all(used.union(outputs).intersection(node.output) for node in part.graph.node)
    if outputs == WINDOW_OUTPUTS:
        assert [value.name for value in part.graph.input] == list(WINDOW_INPUTS)


def test_a_frames_pose_needs_no_mofa() -> None:
    sizes = {name: len(keep_outputs(MODEL, [name])) for name in STEP_OUTPUTS}
    assert sizes["embeddings"] < sizes["frame_pose"] < 0.7 * sizes["target_pose"]


def test_names_and_metadata_are_those_that_the_library_reads() -> None:
    whole = onnx.load_from_string(MODEL)
    assert output_names(MODEL) == [value.name for value in whole.graph.output]
    assert metadata(MODEL) == {entry.key: entry.value for entry in whole.metadata_props}
    part = keep_outputs(MODEL, WINDOW_OUTPUTS)
    assert CONFIG_KEY in metadata(part)
    session = onnxruntime.InferenceSession(part, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == metadata(MODEL)


def test_an_output_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="it has no output depth"):
        keep_outputs(MODEL, ["depth", "target"])


@pytest.mark.parametrize("length", [0, 1, 20, 1000, len(MODEL) // 2, len(MODEL) - 1])
def test_a_file_that_was_cut_off_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="it "):
        output_names(MODEL[:length])


def test_what_is_no_onnx_file_is_refused() -> None:
    for content in (b"PK\x03\x04" * 99, b"\xff" * 500, b"not a model at all", bytes(100)):
        with pytest.raises(ValueError, match="it "):
            output_names(content)


def outside(name: str = "secret") -> onnx.TensorProto:
    """A tensor that says it is a file of the user's."""
    tensor = onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=[10**9])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../.ssh/id_rsa")
    return tensor


def as_initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(outside())


def as_attribute(model: onnx.ModelProto) -> None:
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["x"], value=outside()))


def in_a_subgraph(model: onnx.ModelProto) -> None:
    branch = onnx.helper.make_graph([], "branch", [], [], initializer=[outside()])
    model.graph.node.append(onnx.helper.make_node("If", ["c"], ["x"], then_branch=branch))


def in_a_function(model: onnx.ModelProto) -> None:
    node = onnx.helper.make_node("Constant", [], ["x"], value=outside())
    model.functions.append(onnx.helper.make_function("d", "f", [], ["x"], [node], []))


def as_a_sparse_initializer(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=outside()))


@pytest.mark.parametrize(
    "hide", [as_initializer, as_attribute, in_a_subgraph, in_a_function, as_a_sparse_initializer]
)
def test_a_tensor_in_another_file_is_found_wherever_it_hides_and_refused(
    hide: Callable[[onnx.ModelProto], None], tmp_path: Path
) -> None:
    model = onnx.load_from_string(MODEL)
    assert external_tensor(MODEL) is None
    hide(model)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert external_tensor(path.read_bytes()) == "secret"
    for backend in ("onnxruntime", *(["openvino"] if find_spec("openvino") else [])):
        with pytest.raises(RuntimeLoadError, match="'secret' in another file, which is refused"):
            load_runtime(path, backend=backend)
    with pytest.raises(DetectorError, match="'secret' in another file, which is refused"):
        open_session(path, threads=1)


def test_endless_nesting_is_refused() -> None:
    graph = onnx.helper.make_graph([], "leaf", [], [])
    for depth in range(25):
        node = onnx.helper.make_node("If", ["c"], ["x"], then_branch=graph)
        graph = onnx.helper.make_graph([node], f"g{depth}", [], [])
    with pytest.raises(ValueError, match="nested more than 64 deep"):
        external_tensor(onnx.helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize(
    "config",
    [
        {"frames": [27]}, {"step": "x"}, {"step": 1e999}, {"width": 10**9}, {"layers": 10**6},
        {"heads": 0.5}, {"sem": {}}, {"dropout": None}, {"x" * 10**6: 1}, {"config_version": "9"},
    ],
)  # fmt: skip
def test_a_configuration_that_asks_for_anything_else_is_one_sentence(
    config: dict[str, Any], tmp_path: Path
) -> None:
    model = onnx.load_from_string(MODEL)
    for entry in model.metadata_props:
        if entry.key == CONFIG_KEY:
            entry.value = json.dumps(json.loads(entry.value) | config)
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    with pytest.raises(RuntimeLoadError) as refused:
        load_runtime(path, backend="onnxruntime")
    assert len(str(refused.value)) < 500 + len(str(path))


@pytest.mark.parametrize("text", ["[" * 10**6, '{"a":' * 10**5, "9" * 10**4, "null", "\x00"])
def test_a_configuration_that_is_no_object_is_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match="not a model configuration") as refused:
        ModelConfig.from_json(text)
    assert len(str(refused.value)) < 200
