"""A top-down pose network from an ONNX file: crops of people in, keypoints out.

Two kinds of output are known. SimCC, as RTMPose's exports have it: two outputs with the likelihood
of each bin of x and of y, (N, J, W * bins) and (N, J, H * bins). Heatmaps: one output (N, J, h, w).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pstmo_core.detection.base import DetectorError
from pstmo_core.detection.crops import crop_maps, undo_maps, warp_crops
from pstmo_core.detection.network_file import open_session
from pstmo_core.settings import check_settings, setting

OUTPUTS = ("simcc", "heatmap")


@dataclass(frozen=True)
class PoseFile:
    """What an ONNX file of a pose network expects and gives.

    Raises:
        ConfigError: if a value cannot be used.
    """

    path: str
    layout: str = "coco17"
    """Layout of its points."""
    output: str = setting("simcc", "What the network gives for each point.", choices=OUTPUTS)
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Subtracted from RGB values from 0 to 255; the default is RTMPose's."""
    deviation: tuple[float, float, float] = setting(
        (58.395, 57.12, 57.375), "Divides them then.", low=0.001
    )
    padding: float = setting(1.25, "How much larger than a person's box a crop is.", low=1.0)
    logits: bool = False
    """Whether SimCC values still need a softmax to be probabilities."""

    def __post_init__(self) -> None:
        check_settings(self)


class PoseNetwork:
    """Finds the keypoints of people whose boxes are known."""

    def __init__(self, file: PoseFile, threads: int = 1) -> None:
        self.file = file
        self._session = open_session(Path(file.path), threads)
        (self._input,) = self._session.get_inputs()
        shape = self._input.shape
        if len(shape) != 4 or shape[1] != 3 or not all(isinstance(n, int) for n in shape[2:]):
            raise DetectorError(
                f"{file.path}: its input has the shape {shape}, but a pose network's must be "
                "(N, 3, height, width) with a fixed height and width"
            )
        self._size = (int(shape[3]), int(shape[2]))
        wanted = 2 if file.output == "simcc" else 1
        if len(self._session.get_outputs()) != wanted:
            raise DetectorError(
                f"{file.path}: has {len(self._session.get_outputs())} outputs, but {file.output} "
                f"needs {wanted}: choose the other kind of output"
            )

    def detect(self, image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the keypoints of people.

        Args:
            image: (H, W, 3) uint8 BGR.
            boxes: (P, 4) pixels: left, top, right, bottom.

        Returns:
            Points (P, J, 2) in pixels of the image, and scores (P, J) from 0 to 1, float32.
        """
        maps = crop_maps(boxes, self._size, self.file.padding)
        rgb = warp_crops(image, maps, self._size)[..., ::-1]
        normal = (rgb - np.array(self.file.mean)) / np.array(self.file.deviation)
        tensor = np.ascontiguousarray(normal.transpose(0, 3, 1, 2), np.float32)
        outputs = self._session.run(None, {self._input.name: tensor})
        if self.file.output == "simcc":
            points, scores = decode_simcc(outputs[0], outputs[1], self._size, self.file.logits)
        else:
            points, scores = decode_heatmaps(outputs[0], self._size)
        return undo_maps(maps, points).astype(np.float32), scores.astype(np.float32)


def decode_simcc(
    x: np.ndarray, y: np.ndarray, size: tuple[int, int], logits: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return points (N, J, 2) in pixels of crops and scores (N, J) of SimCC outputs.

    Args:
        x: (N, J, bins of the width).
        y: (N, J, bins of the height).
        size: width and height of the crops.
        logits: whether the values are logits, of which the softmax is taken.
    """
    coordinates, peaks = [], []
    for values, length in ((x, size[0]), (y, size[1])):
        likely = _softmax(values) if logits else values
        bins = likely.argmax(-1)
        coordinates.append((_refined(likely, bins) + 0.5) * length / values.shape[-1])
        # The peak of a probability is low, as it is spread over a few bins: its mass counts.
        peaks.append(_mass(likely, bins) if logits else likely.max(-1))
    scores = np.sqrt(np.clip(peaks[0], 0, 1) * np.clip(peaks[1], 0, 1))
    return np.stack(coordinates, -1), scores


def decode_heatmaps(maps: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return points (N, J, 2) in pixels of crops and scores (N, J) of heatmaps (N, J, h, w)."""
    rows, columns = maps.shape[2:]
    flat = maps.reshape(*maps.shape[:2], -1)
    peak = flat.argmax(-1)
    row, column = peak // columns, peak % columns
    across = np.take_along_axis(maps, row[..., None, None], 2)[:, :, 0]
    down = np.take_along_axis(maps, column[..., None, None], 3)[..., 0]
    points = np.stack([_refined(across, column), _refined(down, row)], -1) + 0.5
    return points * np.array(size) / (columns, rows), np.clip(flat.max(-1), 0, 1)


def _softmax(values: np.ndarray) -> np.ndarray:
    exponents = np.exp(values - values.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


def _mass(likely: np.ndarray, bins: np.ndarray, reach: int = 6) -> np.ndarray:
    """Return the probability (N, J) within some bins of the peak."""
    near = np.abs(np.arange(likely.shape[-1]) - bins[..., None]) <= reach
    return (likely * near).sum(-1)


def _refined(likely: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """Return the peak's place (N, J) between bins: a parabola through it and its neighbours."""
    inside = np.clip(peak, 1, likely.shape[-1] - 2)[..., None]
    left, middle, right = (
        np.take_along_axis(likely, inside + shift, -1)[..., 0] for shift in (-1, 0, 1)
    )
    curve = np.minimum(left - 2 * middle + right, -1e-9)
    shift = np.clip((left - right) / (2 * curve), -0.5, 0.5)
    return np.where(inside[..., 0] == peak, peak + shift, peak)
