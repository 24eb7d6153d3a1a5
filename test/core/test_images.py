"""Images of every encoding that cameras send become the same BGR pixels; wrong ones are refused."""

from __future__ import annotations

import os
import resource
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pstmo_core.images import (
    ENCODINGS,
    ImageError,
    RawImage,
    decode_image,
)
from pstmo_core.images.compressed import (
    MOST_PIXELS,
    decode_compressed,
    read_image,
)
from pstmo_core.keypoints.clip import sample_video_path
from pstmo_core.lift import sources, videos

WIDTH, HEIGHT = 10, 6


@pytest.fixture(scope="module")
def bgr() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture(scope="module")
def smooth() -> np.ndarray:
    """Colours that change slowly, as chroma is stored for two pixels at once."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] * 8.0
    return np.stack([90 + x, 100 + y, 160 - x], -1).astype(np.uint8)


def padded(rows: np.ndarray, extra: int) -> tuple[bytes, int]:
    """Return rows (H, n) of bytes, each followed by rubbish, and the step."""
    rubbish = np.full((len(rows), extra), 0xAB, np.uint8)
    return np.concatenate([rows, rubbish], 1).tobytes(), rows.shape[1] + extra


def raw(values: np.ndarray, encoding: str, extra: int = 0, big_endian: bool = False) -> RawImage:
    kind = values.dtype.newbyteorder(">" if big_endian else "<")
    rows = np.frombuffer(values.astype(kind).tobytes(), np.uint8).reshape(len(values), -1)
    data, step = padded(rows, extra)
    return RawImage(data, WIDTH, HEIGHT, encoding, step, big_endian)


def of_channels(bgr: np.ndarray, encoding: str) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels in an encoding of separate channels, and the BGR that they stand for."""
    alpha = np.full((HEIGHT, WIDTH, 1), 77, np.uint8)
    if encoding.startswith(("mono", "8uc1", "16uc1")):
        plain, wanted = bgr[..., :1], np.repeat(bgr[..., :1], 3, -1)
    else:
        plain, wanted = (bgr[..., ::-1] if encoding.startswith("rgb") else bgr), bgr
        if "a" in encoding or encoding == "8uc4":
            plain = np.concatenate([plain, alpha], -1)
    if "16" in encoding:
        return plain.astype(np.uint16) * 257, wanted
    return plain, wanted


CHANNELS = [name for name in ENCODINGS if not name.startswith(("yu", "uy", "nv", "bayer"))]


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("extra", [0, 1, 64])
@pytest.mark.parametrize("encoding", CHANNELS)
def test_channels_are_told_apart_whatever_padding_and_byte_order(
    bgr: np.ndarray, encoding: str, extra: int, big_endian: bool
) -> None:
    values, wanted = of_channels(bgr, encoding)
    decoded = decode_image(raw(values, encoding, extra, big_endian))
    assert decoded.dtype == np.uint8 and decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, wanted)


def test_capitals_do_not_matter(bgr: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_image(raw(bgr, "8UC3")), bgr)


def test_the_16_bits_are_scaled_to_the_nearest_level() -> None:
    values = np.arange(0, 65536, 1093, np.uint16)[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH, 1)
    wanted = np.rint(values.astype(float) * 255 / 65535)
    np.testing.assert_array_equal(decode_image(raw(values, "mono16"))[..., :1], wanted)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_an_infrared_image_of_few_bits_is_as_bright_as_others(bits: int) -> None:
    """A person 3 % warmer than the room, as thermal cameras have it."""
    values = np.full((48, 64), 0.40 * 2**bits)
    values[10:40, 20:30] = 0.43 * 2**bits
    image = decode_image(
        RawImage(values.astype("<u2").tobytes(), 64, 48, "mono16", step=128, big_endian=False)
    )
    assert image.shape == (48, 64, 3)
    assert image[20, 25].tolist() == [255] * 3
    assert image[2, 2].tolist() == [0] * 3


def mosaic(colours: np.ndarray, order: str) -> np.ndarray:
    """What a sensor sees behind a filter whose first two rows have some colours, (H, W)."""
    seen = np.empty(colours.shape[:2], colours.dtype)
    for pixel, colour in enumerate(order):
        rows, columns = slice(pixel // 2, None, 2), slice(pixel % 2, None, 2)
        seen[rows, columns] = colours[rows, columns, "bgr".index(colour)]
    return seen


@pytest.mark.parametrize("order", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_mosaic_becomes_colours_raw_compressed_and_in_few_bits(order: str) -> None:
    y, x = np.mgrid[:48, :64] * 1.0
    colours = np.stack([60 + x, 90 + y, 180 - x], -1).astype(np.uint8)
    seen = mosaic(colours, order)
    inner = np.s_[4:-4, 4:-4]

    def near(found: np.ndarray) -> None:
        assert found.shape == colours.shape and found.dtype == np.uint8
        np.testing.assert_allclose(found[inner].astype(int), colours[inner], atol=4)

    near(decode_image(RawImage(seen.tobytes(), 64, 48, f"bayer_{order}8", 64)))
    deep = (seen.astype(">u2") * 257).tobytes()
    near(decode_image(RawImage(deep, 64, 48, f"bayer_{order}16", 128, big_endian=True)))
    packed = cv2.imencode(".png", seen)[1].tobytes()
    near(decode_compressed(packed, f"bayer_{order}8; png compressed "))
    faint = decode_image(
        RawImage((seen.astype("<u2") * 16).tobytes(), 64, 48, f"bayer_{order}16", 128)
    )
    assert faint.min() < 10 and faint.max() > 245, "12 bits of 16 are stretched"
    grey = decode_compressed(packed, "mono8; png compressed ")
    np.testing.assert_array_equal(grey, np.repeat(seen[..., None], 3, -1))


def test_stretching_a_dim_mosaic_looks_at_all_its_colours() -> None:
    """Red is nearly black, blue and green are not: they must not all become white."""
    values = np.full((48, 64), 2000, np.uint16) + np.arange(64, dtype=np.uint16) * 20
    values[::2, ::2] = 100  # the red pixels of rggb
    found = decode_image(RawImage(values.astype("<u2").tobytes(), 64, 48, "bayer_rggb16", 128))
    assert (found[4:-4, 4:-4, :2] == 255).mean() < 0.1


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 3)])
def test_a_png_of_12_bits_in_16_is_as_bright_as_others(shape: tuple[int, ...]) -> None:
    values = np.linspace(300, 2300, int(np.prod(shape))).reshape(shape).astype(np.uint16)
    found = decode_compressed(cv2.imencode(".png", values)[1].tobytes(), "16UC1; png compressed ")
    assert found.shape == (48, 64, 3) and found.min() < 10 and found.max() > 245


def yuv_planes(bgr: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Y (H, W), U and V (H, W) of BT.601 in video range, by its definition."""
    b, g, r = np.moveaxis(bgr.astype(float), -1, 0)
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    u = 128 - 0.148 * r - 0.291 * g + 0.439 * b
    v = 128 + 0.439 * r - 0.368 * g - 0.071 * b
    planes = (np.rint(plane).astype(np.uint8) for plane in (y, u, v))
    return tuple(planes)  # type: ignore[return-value]


@pytest.mark.parametrize("extra", [0, 1, 32])
@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"])
def test_packed_yuv_is_read_in_its_order(smooth: np.ndarray, encoding: str, extra: int) -> None:
    y, u, v = yuv_planes(smooth)
    chroma = np.where(np.arange(WIDTH) % 2 == 0, u, v)
    pair = (chroma, y) if encoding in ("yuv422", "uyvy") else (y, chroma)
    decoded = decode_image(raw(np.stack(pair, -1), encoding, extra))
    np.testing.assert_allclose(decoded.astype(int), smooth, atol=16)
    assert np.abs(decoded.astype(int) - smooth).mean() < 5


@pytest.mark.parametrize("extra", [0, 1, 22])
@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
def test_planar_yuv_is_read_in_its_order(smooth: np.ndarray, encoding: str, extra: int) -> None:
    y, u, v = yuv_planes(smooth)
    order = (u, v) if encoding == "nv12" else (v, u)
    chroma = np.stack([plane[::2, ::2] for plane in order], -1).reshape(HEIGHT // 2, WIDTH)
    decoded = decode_image(raw(np.concatenate([y, chroma]), encoding, extra))
    np.testing.assert_allclose(decoded.astype(int), smooth, atol=20)
    assert np.abs(decoded.astype(int) - smooth).mean() < 7


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, "u1")])
def test_whatever_offers_bytes_will_do(bgr: np.ndarray, kind: type) -> None:
    image = raw(bgr, "bgr8")
    same = RawImage(kind(image.data), WIDTH, HEIGHT, "bgr8", image.step)
    np.testing.assert_array_equal(decode_image(same), bgr)


def test_the_last_row_need_not_be_padded(bgr: np.ndarray) -> None:
    image = raw(bgr, "bgr8", extra=9)
    short = RawImage(image.data[:-9], WIDTH, HEIGHT, "bgr8", image.step)
    np.testing.assert_array_equal(decode_image(short), bgr)


WRONG = [
    (RawImage(b"", WIDTH, HEIGHT, "bgr8", 30), "0 bytes in rows of 30"),
    (RawImage(bytes(179), WIDTH, HEIGHT, "bgr8", 30), "179 bytes"),
    (RawImage(bytes(180), WIDTH, HEIGHT, "bgr8", 29), "rows of at least 30"),
    (RawImage(bytes(180), WIDTH, HEIGHT, "bgr8", 0), "in rows of 0"),
    (RawImage(bytes(180), 0, HEIGHT, "bgr8", 30), "0 x 6 pixels"),
    (RawImage(bytes(180), 10**6, 10**6, "bgr8", 30), "1 to 32768 on a side"),
    (RawImage(bytes(180), WIDTH, 1, "bayer_rggb8", 10), "two rows and columns"),
    (RawImage(bytes(180), WIDTH, HEIGHT, "bayer_rggb12", 10), "encoding is 'bayer_rggb12'"),
    (RawImage(bytes(180), WIDTH, HEIGHT, "32FC1", 40), "encoding is '32FC1'"),
    (RawImage(bytes(180), 9, HEIGHT, "yuv422", 18), "an even width, not 9"),
    (RawImage(bytes(180), WIDTH, 5, "nv12", 10), "even sides, not 10 x 5"),
    (RawImage(bytes(60), WIDTH, HEIGHT, "nv12", 10), "need 9 rows"),
]


@pytest.mark.parametrize(("image", "says"), WRONG, ids=[says for _, says in WRONG])
def test_an_image_that_cannot_be_right_is_refused_with_a_sentence(
    image: RawImage, says: str
) -> None:
    with pytest.raises(ImageError, match=says):
        decode_image(image)


def test_a_png_keeps_its_pixels_and_a_grey_or_deep_one_becomes_bgr(bgr: np.ndarray) -> None:
    def png(image: np.ndarray) -> bytes:
        return cv2.imencode(".png", image)[1].tobytes()

    np.testing.assert_array_equal(decode_compressed(png(bgr), "png"), bgr)
    grey = np.repeat(bgr[..., :1], 3, -1)
    np.testing.assert_array_equal(decode_compressed(png(bgr[..., 0])), grey)
    deep = bgr[..., 0].astype(np.uint16) * 257
    np.testing.assert_allclose(decode_compressed(png(deep)).astype(int), grey, atol=1)


def test_a_jpeg_is_not_turned_as_its_metadata_ask(smooth: np.ndarray) -> None:
    data = cv2.imencode(".jpg", smooth)[1].tobytes()
    turned = bytes.fromhex(
        "ffe1002245786966000049492a00080000000100120103000100000006000000000000000000"
    )
    decoded = decode_compressed(data[:2] + turned[:36] + data[2:], "jpeg")
    assert decoded.shape == smooth.shape
    np.testing.assert_allclose(decoded.astype(int), smooth, atol=20)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_bytes_that_are_no_image_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match=f"{len(data)} bytes called 'jpeg' are neither"):
        decode_compressed(data, "jpeg")


def test_a_compressed_depth_image_is_refused() -> None:
    data = bytes(12) + cv2.imencode(".png", np.ones((4, 4), np.uint16))[1].tobytes()
    with pytest.raises(ImageError, match="neither"):
        decode_compressed(data, "16UC1; compressedDepth png")


def claiming(kind: str, width: int, height: int) -> bytes:
    """A small image whose header says that it is a large one."""
    data = bytearray(cv2.imencode(kind, np.zeros((40, 60, 3), np.uint8))[1].tobytes())
    if kind == ".png":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    else:
        header = data.index(b"\xff\xc0")
        data[header + 5 : header + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """The most memory in bytes that this process has held, and by how much it grew since."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield lambda: (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


@pytest.mark.parametrize("kind", [".jpg", ".png"])
@pytest.mark.parametrize("size", [(30000, 30000), (65000, 520), (20000, 1700)])
def test_an_image_that_claims_to_be_giant_is_refused_before_memory_is_taken(
    kind: str, size: tuple[int, int], peak: Callable[[], int]
) -> None:
    assert size[0] * size[1] > MOST_PIXELS
    with pytest.raises(ImageError, match=f"claims {size[0]} x {size[1]} pixels"):
        decode_compressed(claiming(kind, *size), kind)
    assert peak() < 20e6


def claiming_file(kind: str, width: int, height: int) -> bytes:
    if kind in (".jpg", ".png"):
        return claiming(kind, width, height)
    if kind == ".tif":
        numbers = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 200, 277: 1, 278: height}
        tags = b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in numbers.items())
        return b"II*\0" + struct.pack("<IH", 8, len(numbers)) + tags + bytes(400)
    data = bytearray(cv2.imencode(kind, np.zeros((40, 60, 3), np.uint8))[1].tobytes())
    if kind == ".bmp":
        data[18:26] = struct.pack("<ii", width, -height)
    else:  # VP8L, which writes 14 bits a side
        data[21:25] = (width - 1 | height - 1 << 14).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize("kind", [".jpg", ".png", ".bmp", ".tif", ".webp"])
def test_a_file_that_claims_to_be_a_giant_image_is_left_out_of_a_folder(
    kind: str, tmp_path: Path, peak: Callable[[], int], bgr: np.ndarray
) -> None:
    side = 16000 if kind == ".webp" else 30000
    (tmp_path / f"0{kind}").write_bytes(claiming_file(kind, side, side))
    (tmp_path / f"1{kind}").write_bytes(b"P6 30000 30000 255\n" + bytes(100))
    (tmp_path / "link.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    cv2.imwrite(str(tmp_path / f"2{kind}"), bgr)
    images = sources.folder_images(tmp_path, 30.0)
    (found,) = images.frames()
    assert found[1].shape == bgr.shape and images.faults.total() == 3
    assert peak() < 20e6
    with pytest.raises(ImageError, match=f"claims {side} x {side} pixels"):
        read_image(tmp_path / f"0{kind}")


def test_a_video_of_giant_images_is_refused_before_one_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(videos, "MOST_PIXELS_OF_FILES", 1000)
    with pytest.raises(
        videos.SourceError, match=r"has images of \d+ x \d+ pixels, but at most 1000"
    ):
        videos.video_images(sample_video_path(), None)


def test_a_header_is_found_behind_other_segments_and_fill_bytes_as_libjpeg_finds_it() -> None:
    bomb = claiming(".jpg", 30000, 30000)
    thumbnail = claiming(".jpg", 60, 40)
    comment = b"\xff\xfe" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    for hidden in (comment, b"\xff\xff\xff", b"\xff\x01", b"rubbish", b"\xff\x00"):
        with pytest.raises(ImageError, match="claims 30000"):
            decode_compressed(bomb[:2] + hidden + bomb[2:], "jpeg")


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = cv2.imencode(".jpg", np.zeros((40, 60, 3), np.uint8))[1].tobytes()
    scan = data[data.index(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="1001 scans"):
        decode_compressed(data[:-2] + 1000 * scan + data[-2:], "jpeg")


def test_what_the_sender_calls_an_image_cannot_fill_the_log() -> None:
    with pytest.raises(ImageError) as refused:
        decode_compressed(b"no image", "\x1b[31m\n" * 10**6)
    assert len(str(refused.value)) < 500
    assert "\x1b" not in str(refused.value) and "\n" not in str(refused.value)
