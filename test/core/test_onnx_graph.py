"""Taking a part out of an ONNX file."""

from __future__ import annotations

import onnx
import onnxruntime
import pytest

from pstmo_core.runtime import shipped_model
from pstmo_core.runtime.base import CONFIG_KEY, STEP_OUTPUTS, WINDOW_INPUTS, WINDOW_OUTPUTS
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
