"""Detectors' outputs become keypoints of the image; networks that do not fit are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx")

import onnx
from onnx import TensorProto, helper

from pstmo_core.detection.base import DetectorError
from pstmo_core.detection.crops import apply_maps, boxes_of, crop_maps, undo_maps, warp_crops
from pstmo_core.detection.pose_network import (
    PoseFile,
    PoseNetwork,
    decode_heatmaps,
    decode_simcc,
)
from pstmo_core.errors import ConfigError

SIZE = (96, 128)


@pytest.fixture
def points() -> np.ndarray:
    low, high = (5.0, 5.0), (90.0, 120.0)
    return np.random.default_rng(0).uniform(low, high, (3, 17, 2))


def gauss(places: np.ndarray, count: int, width: float) -> np.ndarray:
    return np.exp(-((np.arange(count) + 0.5 - places[..., None]) ** 2) / 2 / width**2)


@pytest.mark.parametrize("logits", [False, True])
def test_simcc_is_read_to_a_fraction_of_a_bin(points: np.ndarray, logits: bool) -> None:
    x, y = (gauss(2 * points[..., axis], 2 * SIZE[axis], 3.0) for axis in (0, 1))
    if logits:
        x, y = np.log(x + 1e-9), np.log(y + 1e-9)
    found, scores = decode_simcc(x, y, SIZE, logits)
    np.testing.assert_allclose(found, points, atol=0.1)
    assert (scores > 0.9).all()


def test_a_flat_simcc_has_a_low_score() -> None:
    x, y = np.zeros((1, 17, 192)), np.zeros((1, 17, 256))
    assert (decode_simcc(x, y, SIZE, True)[1] < 0.1).all()


def test_heatmaps_are_read_to_a_fraction_of_a_cell(points: np.ndarray) -> None:
    maps = (
        gauss(points[..., 1] / 4, 32, 1.5)[..., None]
        * gauss(points[..., 0] / 4, 24, 1.5)[..., None, :]
    )
    found, scores = decode_heatmaps(maps, SIZE)
    np.testing.assert_allclose(found, points, atol=0.3)
    assert (scores > 0.9).all()


def test_crops_hold_the_box_unstretched_and_lead_back_to_the_image(points: np.ndarray) -> None:
    boxes = boxes_of(points * 4 + 30)
    maps = crop_maps(boxes, SIZE)
    corners = apply_maps(maps, boxes.reshape(-1, 2, 2))
    assert (corners >= 0).all() and (corners <= SIZE).all()
    np.testing.assert_allclose(corners.mean(1), np.tile(np.array(SIZE) / 2, (3, 1)), atol=1e-3)
    np.testing.assert_allclose(undo_maps(maps, apply_maps(maps, points)), points, atol=1e-3)


def test_what_is_marked_in_the_image_is_found_in_the_crop() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[200:204, 300:304] = 255
    maps = crop_maps(np.array([[200.0, 100.0, 400.0, 350.0]]), SIZE)
    row, column = np.nonzero(warp_crops(image, maps, SIZE)[0, ..., 0] > 100)
    place = undo_maps(maps, np.array([[[column.mean(), row.mean()]]]))
    np.testing.assert_allclose(place[0, 0], (301.5, 201.5), atol=2)


def write_network(path: Path, shape: list[object], outputs: int) -> str:
    tensors = [
        helper.make_tensor_value_info(f"out{k}", TensorProto.FLOAT, shape) for k in range(outputs)
    ]
    nodes = [helper.make_node("Identity", ["crops"], [f"out{k}"]) for k in range(outputs)]
    crops = helper.make_tensor_value_info("crops", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "g", [crops], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
    return str(path)


def test_a_file_that_is_no_pose_network_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="no such file"):
        PoseNetwork(PoseFile(str(tmp_path / "absent.onnx")))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(DetectorError, match="not a readable ONNX file"):
        PoseNetwork(PoseFile(str(broken)))
    vectors = write_network(tmp_path / "v.onnx", ["N", 5], 2)
    with pytest.raises(DetectorError, match="a pose network's must be"):
        PoseNetwork(PoseFile(vectors))
    heatmap = write_network(tmp_path / "h.onnx", ["N", 3, 128, 96], 1)
    with pytest.raises(DetectorError, match="choose the other kind of output"):
        PoseNetwork(PoseFile(heatmap))
    assert PoseNetwork(PoseFile(heatmap, output="heatmap"))


def test_a_wrong_description_is_refused() -> None:
    with pytest.raises(ConfigError, match="output is 'boxes'"):
        PoseFile("x.onnx", output="boxes")
    with pytest.raises(ConfigError, match="padding is 0.5"):
        PoseFile("x.onnx", padding=0.5)
