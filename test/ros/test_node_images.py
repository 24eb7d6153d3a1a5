"""Image messages are decoded alike with and without cv_bridge, of which only what works is used."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from sensor_msgs.msg import CompressedImage, Image

from pstmo_core.images import ImageError
from pstmo_ros.images import ImageDecoder, bridged_encodings

#: A stand-in for cv_bridge (which has no wheel), with its calls; it notes what it is asked for.
BRIDGE = """
import cv2
import numpy as np

TABLE = {"bgr8": None, "rgb8": cv2.COLOR_RGB2BGR, "mono8": cv2.COLOR_GRAY2BGR,
         "bgra8": cv2.COLOR_BGRA2BGR, "yuv422": cv2.COLOR_YUV2BGR_UYVY,
         "bayer_rggb8": cv2.COLOR_BayerBG2BGR}
asked = []

class CvBridge:
    def imgmsg_to_cv2(self, message, desired_encoding):
        assert desired_encoding == "bgr8"
        asked.append(message.encoding)
        if message.encoding not in TABLE:
            raise RuntimeError("unknown encoding")
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, -1)
        code = TABLE[message.encoding]
        return rows if code is None else cv2.cvtColor(rows.squeeze(), code)
"""

#: Another that can decode all that the core can.
ABLE_BRIDGE = """
from pstmo_core.images import decode_image
from pstmo_ros import images

class CvBridge:
    def imgmsg_to_cv2(self, message, desired_encoding):
        return decode_image(images.raw_image(message))
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Put a cv_bridge on the path of this process and of those that it starts."""

    def put(source: str) -> None:
        (tmp_path / "cv_bridge.py").write_text(textwrap.dedent(source))

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *sys.path]))
    bridged_encodings.cache_clear()
    yield put
    sys.modules.pop("cv_bridge", None)
    bridged_encodings.cache_clear()


@pytest.fixture(scope="module")
def bgr() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)


def message(pixels: np.ndarray, encoding: str, padding: int = 0) -> Image:
    rows = np.pad(pixels.reshape(len(pixels), -1), ((0, 0), (0, padding)))
    height, width = pixels.shape[:2]
    return Image(
        height=height, width=width, encoding=encoding, step=rows.shape[1], data=rows.tobytes()
    )


def test_without_cv_bridge_numpy_decodes_and_says_so(
    monkeypatch: pytest.MonkeyPatch, bgr: np.ndarray
) -> None:
    monkeypatch.setattr("pstmo_ros.images.find_spec", lambda name: None)
    bridged_encodings.cache_clear()
    decoder = ImageDecoder()
    bridged_encodings.cache_clear()
    assert "cv_bridge is not installed" in decoder.describe()
    for padding in (0, 5):
        np.testing.assert_array_equal(decoder.decode(message(bgr, "bgr8", padding)), bgr)
        turned = message(bgr[..., ::-1], "rgb8", padding)
        np.testing.assert_array_equal(decoder.decode(turned), bgr)


def test_the_log_names_no_encoding_that_cv_bridge_is_not_used_for(
    install: Callable[[str], None],
) -> None:
    """Of 12 or 14 bits in 16 it would make nearly black images, whatever the trial says."""
    install(ABLE_BRIDGE)
    told = ImageDecoder().describe()
    assert "bgr8" in told and "nv12" in told and "16" not in told


def test_a_cv_bridge_that_works_is_used_for_what_it_has_right(
    install: Callable[[str], None], bgr: np.ndarray
) -> None:
    install(BRIDGE)
    decoder = ImageDecoder()
    import cv_bridge

    right = decoder.describe()
    assert all(name in right for name in ("bgr8", "rgb8", "mono8", "yuv422", "bayer_rggb8"))
    assert "nv12" not in right and "mono16" not in right
    np.testing.assert_array_equal(decoder.decode(message(bgr[..., ::-1], "rgb8")), bgr)
    assert cv_bridge.asked == ["rgb8"]
    assert decoder.decode(message(bgr[..., :1], "bayer_rggb8")).shape == bgr.shape
    # What it would read wrongly or not at all goes to NumPy.
    np.testing.assert_array_equal(decoder.decode(message(bgr, "bgr8", padding=5)), bgr)
    deep = np.repeat(bgr[..., :1], 2, -1)  # both bytes alike: either order
    grey = np.repeat(bgr[..., :1], 3, -1)
    np.testing.assert_array_equal(decoder.decode(message(deep, "mono16")), grey)
    assert cv_bridge.asked == ["rgb8", "bayer_rggb8"]


BROKEN = {
    "made for another NumPy": "raise AttributeError('_ARRAY_API not found')",
    "ends the process": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
    "colours the wrong way round": BRIDGE.replace(
        "return rows if code is None else cv2.cvtColor(rows.squeeze(), code)",
        "return np.zeros((message.height, message.width, 3), np.uint8)",
    ).replace('"bayer_rggb8": cv2.COLOR_BayerBG2BGR', ""),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_cv_bridge_that_does_not_work_is_left_alone(
    install: Callable[[str], None], bgr: np.ndarray, fault: str
) -> None:
    install(BROKEN[fault])
    decoder = ImageDecoder()
    assert "cv_bridge does not work" in decoder.describe()
    np.testing.assert_array_equal(decoder.decode(message(bgr, "bgr8")), bgr)


def test_a_compressed_message_is_decoded(bgr: np.ndarray) -> None:
    data = cv2.imencode(".png", bgr)[1].tobytes()
    compressed = CompressedImage(format="bgr8; png compressed bgr8", data=data)
    np.testing.assert_array_equal(ImageDecoder().decode(compressed), bgr)


def test_a_broken_message_is_refused_with_a_sentence(bgr: np.ndarray) -> None:
    broken = message(bgr, "bgr8")
    broken.data = broken.data[:-1]
    with pytest.raises(ImageError, match="179 bytes"):
        ImageDecoder().decode(broken)
    with pytest.raises(ImageError, match="neither a whole JPEG nor a PNG"):
        ImageDecoder().decode(CompressedImage(format="jpeg", data=b"nothing"))
