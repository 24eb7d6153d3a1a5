"""The camera node: a file in its own time, its lens, and a camera that comes back."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from node_world import World, overrides, worlds
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pstmo_core.camera import ASSUMED_LENS, CameraError
from pstmo_core.images.compressed import decode_compressed
from pstmo_core.keypoints.clip import sample_video_path
from pstmo_core.lift.input_kinds import SourceError
from pstmo_core.lift.videos import video_images
from pstmo_ros import camera_reader
from pstmo_ros.camera_node import CameraNode
from pstmo_ros.child_processes import node_command
from pstmo_ros.conversions import stamp_ns
from pstmo_ros.images import ImageDecoder
from pstmo_ros.run_node import REFUSED

cv2 = pytest.importorskip("cv2", reason="needs OpenCV")

from rtsp_camera import RtspCamera  # noqa: E402

QOS = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
CALIBRATION = """
image_width: 480
image_height: 360
camera_matrix: {rows: 3, cols: 3, data: [500.0, 0.0, 241.0, 0.0, 501.0, 182.0, 0.0, 0.0, 1.0]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0.001, 0.002, 0.0]}
"""


class Audience(World):
    """Hears what a camera says."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__("audience")
        self.images: list[Image] = self.listen(Image, "image_raw", QOS)
        self.infos: list[CameraInfo] = self.listen(CameraInfo, "camera_info", QOS)
        self.jpegs: list[CompressedImage] = []
        given = {"start_delay": 0.0, **parameters}
        self.camera = self.take_in(CameraNode(parameter_overrides=overrides(given)), spin=False)

    def listen_to_compressed(self) -> None:
        self.jpegs = self.listen(CompressedImage, "image_raw/compressed", QOS)


audience = worlds(Audience)


@pytest.fixture(scope="module")
def short_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first ten images of the shipped video, small."""
    path = tmp_path_factory.mktemp("video") / "short.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (480, 360))
    frames = video_images(sample_video_path(), None).frames()
    for _, image in itertools.islice(frames, 10):
        writer.write(cv2.resize(image, (480, 360)))
    writer.release()
    return path


def test_a_file_is_shown_in_its_own_time_once_somebody_listens(
    audience: Callable[..., Audience], short_video: Path
) -> None:
    here = audience(source=str(short_video), frame_id="mast")
    here.spin_until(lambda: len(here.infos) == 10 and len(here.images) >= 8)
    stamps = [stamp_ns(info.header.stamp) for info in here.infos]
    assert np.diff(stamps).tolist() == [40_000_000] * 9
    assert {message.header.frame_id for message in here.images} == {"mast"}
    assert {stamp_ns(message.header.stamp) for message in here.images} <= set(stamps)
    (_, first), *_ = video_images(short_video, None).frames()
    heard = next(m for m in here.images if stamp_ns(m.header.stamp) == stamps[0])
    np.testing.assert_array_equal(ImageDecoder().decode(heard), first)


def test_who_asks_for_reliable_images_gets_all_of_them(
    audience: Callable[..., Audience], short_video: Path
) -> None:
    here = audience(source=str(short_video))
    images, infos = here.listen(Image, "image_raw"), here.listen(CameraInfo, "camera_info")
    here.spin_until(lambda: len(images) == len(infos) == 10)


def test_a_loop_goes_on_with_increasing_stamps_and_jpegs_for_who_wants_them(
    audience: Callable[..., Audience], short_video: Path
) -> None:
    here = audience(source=str(short_video), loop=True)
    here.listen_to_compressed()
    here.spin_until(lambda: len(here.infos) >= 25 and len(here.jpegs) >= 5)
    steps = np.diff([stamp_ns(info.header.stamp) for info in here.infos])
    np.testing.assert_array_equal(steps, 40_000_000)
    assert decode_compressed(here.jpegs[0].data).shape == (360, 480, 3)


def test_a_video_that_is_lost_meanwhile_ends_the_node_with_a_sentence(
    ros_domain: None, short_video: Path, tmp_path: Path
) -> None:
    """Alive without images, it would look healthy to who started it."""
    video = Path(shutil.copy(short_video, tmp_path))
    given = {"source": str(video), "loop": True, "wait_for_subscribers": 0, "start_delay": 0.0}
    with subprocess.Popen(
        node_command("camera_node", given), stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "shows" in line:
                video.unlink()
                break
        said = process.stderr.read()
        assert process.wait(60) == REFUSED
    assert f"{video}: is no video that can be decoded" in said and "Traceback" not in said


@pytest.mark.parametrize("own", [False, True])
def test_compressed_images_lie_below_the_remapped_topic_unless_remapped_themselves(
    ros: None, short_video: Path, own: bool
) -> None:
    remaps = ["-r", "image_raw:=/mast/color", *(["-r", "image_raw/compressed:=/jpegs"] * own)]
    given = overrides({"source": str(short_video)})
    camera = CameraNode(parameter_overrides=given, cli_args=["--ros-args", *remaps])
    assert camera._jpeg.topic_name == ("/jpegs" if own else "/mast/color/compressed")
    camera.destroy_node()


def test_without_a_calibration_the_lens_is_assumed_said_and_marked(
    audience: Callable[..., Audience], short_video: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    here = audience(source=str(short_video), loop=True)
    here.spin_until(lambda: len(here.infos) >= 15)
    assert {info.distortion_model for info in here.infos} == {ASSUMED_LENS}
    assert here.infos[0].k[0] == 0.85 * 480
    assert capfd.readouterr().err.count("a usual lens is assumed") == 1


@pytest.mark.parametrize(
    ("given", "focal"), [("calibration", (500.0, 501.0)), ("focal", (432.0, 432.0))]
)
def test_a_lens_that_is_stated_is_published_as_stated(
    audience: Callable[..., Audience],
    short_video: Path,
    tmp_path: Path,
    given: str,
    focal: tuple[float, float],
) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(CALIBRATION)
    lens = {"calibration": f"file://{path}"} if given == "calibration" else {"focal": 432.0}
    here = audience(source=str(short_video), **lens)
    here.spin_until(lambda: len(here.infos) >= 1)
    info = here.infos[0]
    assert (info.width, info.height, info.distortion_model) == (480, 360, "plumb_bob")
    assert (info.k[0], info.k[4]) == focal
    assert any(info.d) == (given == "calibration")


def test_what_cannot_be_shown_is_refused_with_a_sentence(ros: None, tmp_path: Path) -> None:
    def refused(error: type[Exception], **parameters: Any) -> str:
        with pytest.raises(error) as raised:
            CameraNode(parameter_overrides=overrides(parameters))
        return str(raised.value)

    assert "no such video" in refused(SourceError, source=str(tmp_path / "absent.mp4"))
    (tmp_path / "text.mp4").write_text("no video")
    assert "no video that can be decoded" in refused(SourceError, source=f"{tmp_path}/text.mp4")
    sentence = refused(CameraError, source="sample", calibration=str(tmp_path / "absent.yaml"))
    assert "absent.yaml" in sentence


def test_a_camera_that_is_unplugged_is_opened_again(
    audience: Callable[..., Audience],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    opened: list[int] = []

    class Unsteady:
        """A camera that gives three images each time that it is plugged in."""

        def __init__(self, device: int) -> None:
            opened.append(device)
            self._left = 3

        def isOpened(self) -> bool:  # noqa: N802  (OpenCV's name)
            return True

        def read(self) -> tuple[bool, np.ndarray | None]:
            self._left -= 1
            return (True, np.zeros((48, 64, 3), np.uint8)) if self._left >= 0 else (False, None)

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Unsteady)
    monkeypatch.setattr(camera_reader, "RETRY", 0.05)
    here = audience(source="3")
    here.spin_until(lambda: len(opened) >= 4 and len(here.infos) >= 6)
    assert set(opened) == {3}
    assert capfd.readouterr().err.count("sends no images any more; it is opened again") == 1


def test_a_camera_whose_driver_hangs_is_silent_and_is_opened_again(
    audience: Callable[..., Audience], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    released = threading.Event()

    class Hanging:
        """A camera that gives three images and then, the first two times, says nothing at all."""

        def __init__(self, device: int) -> None:
            opened.append(device)
            self._left = 3
            self._hangs = len(opened) <= 2

        def isOpened(self) -> bool:  # noqa: N802  (OpenCV's name)
            return True

        def read(self) -> tuple[bool, np.ndarray]:
            self._left -= 1
            if self._left < 0 and self._hangs:
                released.wait()
            time.sleep(0.02)
            return True, np.full((48, 64, 3), len(opened), np.uint8)

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Hanging)
    monkeypatch.setattr(camera_reader, "RETRY", 0.05)
    monkeypatch.setattr(camera_reader, "SILENCE", 0.5)
    here = audience(source="3")
    said = here.listen_to_logs()
    try:
        here.spin_until(lambda: len(opened) == 3 and len(here.infos) >= 16)
        assert any("3: the camera sends no images any more; it is opened" in line for line in said)
        released.set()  # what comes late from those that hung is not shown
        here.images.clear()
        here.spin_until(lambda: len(here.images) >= 10)
        assert {message.data[0] for message in here.images} == {3}
    finally:
        released.set()


def test_images_that_come_too_fast_make_nothing_late(
    audience: Callable[..., Audience],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A network camera's images wait somewhere if nobody fetches them, and are stamped late."""
    came: list[int] = []

    class Fast:
        """A camera that gives an image every 50 ms, with its number as grey level."""

        def __init__(self, device: int) -> None:
            self._next = time.monotonic()

        def isOpened(self) -> bool:  # noqa: N802  (OpenCV's name)
            return True

        def read(self) -> tuple[bool, np.ndarray]:
            self._next += 0.05
            time.sleep(max(self._next - time.monotonic(), 0))
            came.append(len(came) % 250)
            return True, np.full((48, 64, 3), came[-1], np.uint8)

        def release(self) -> None:
            pass

    published: list[tuple[int, int]] = []
    publish = CameraNode._publish

    def slowly(self: CameraNode, stamp: int, image: np.ndarray) -> None:
        published.append((int(image[0, 0, 0]), came[-1]))
        publish(self, stamp, image)
        time.sleep(0.25)

    monkeypatch.setattr(cv2, "VideoCapture", Fast)
    monkeypatch.setattr(CameraNode, "_publish", slowly)
    here = audience(source="3")
    here.spin_until(lambda: len(published) >= 8 and len(here.infos) >= 6)
    behind = [(newest - shown) % 250 for shown, newest in published]
    assert np.median(behind) <= 1 and len(came) > 2 * len(published)
    assert (
        "images come faster than they are published: the newest is taken" in capfd.readouterr().err
    )


def test_a_network_camera_is_shown_and_comes_back_and_its_password_stays_secret(
    audience: Callable[..., Audience],
    short_video: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(camera_reader, "RETRY", 0.2)
    images = [image for _, image in video_images(short_video, None).frames()]
    camera = RtspCamera(images, fps=25.0)
    try:
        here = audience(source=camera.address)
        here.spin_until(lambda: len(here.images) >= 5)
        seen = ImageDecoder().decode(here.images[0]).astype(float)
        assert min(np.abs(seen - image).mean() for image in images) < 4  # grey levels: it is JPEG
        stamps = [stamp_ns(info.header.stamp) for info in here.infos]
        assert (np.diff(stamps) > 0).all()
        said = here.listen_to_logs()
        camera.unplug()
        lost = "rtsp://user:***@127.0.0.1"
        here.spin_until(
            lambda: any(lost in line and "sends no images any more" in line for line in said)
        )
        before = len(here.images)
        camera.plug_in()
        here.spin_until(lambda: len(here.images) >= before + 5)
        assert "secret" not in "".join(said) + capfd.readouterr().err
    finally:
        camera.unplug()
