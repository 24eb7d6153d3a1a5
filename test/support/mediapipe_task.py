"""A `.task` file for MediaPipe's pose landmarker, made of the networks that its wheel holds."""

from __future__ import annotations

from pathlib import Path

import pytest

#: Network in the wheel -> its name in the bundle, and by what its input is normalised.
_NETWORKS = {
    "pose_detection/pose_detection.tflite": ("pose_detector.tflite", 127.5, 127.5),
    "pose_landmark/pose_landmark_full.tflite": ("pose_landmarks_detector.tflite", 0.0, 255.0),
}


def write_task(path: Path) -> str:
    """Write the file and return its path, or skip the test where there is nothing to make it of."""
    mediapipe = pytest.importorskip("mediapipe", reason="needs the extra mediapipe")
    modules = Path(mediapipe.__file__).parent / "modules"
    if not all((modules / name).is_file() for name in _NETWORKS):
        pytest.skip(f"the wheel of MediaPipe {mediapipe.__version__} holds no pose networks")
    from mediapipe.tasks.python.metadata.metadata_writers import (
        metadata_writer,
        model_asset_bundle_utils,
    )

    bundle = {}
    for name, (inner, mean, deviation) in _NETWORKS.items():
        writer = metadata_writer.MetadataWriter.create(bytearray((modules / name).read_bytes()))
        writer.add_image_input([mean], [deviation])
        bundle[inner] = bytes(writer.populate()[0])
    model_asset_bundle_utils.create_model_asset_bundle(bundle, str(path))
    return str(path)
