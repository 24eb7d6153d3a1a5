"""`pstmo lift` of images: detector, tracker and lifter over videos, folders and cameras."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command import Command

cv2 = pytest.importorskip("cv2", reason="images need OpenCV")
imageio = pytest.importorskip("imageio.v2", reason="videos need imageio")

from truth_detector import FPS, VIEW, TruthDetector, film, images_of  # noqa: E402

from pstmo_core.detection import DetectorOptions  # noqa: E402
from pstmo_core.evaluation.metrics import mpjpe  # noqa: E402
from pstmo_core.keypoints.clip import sample_video_path  # noqa: E402
from pstmo_core.lift import cameras, jobs, sources  # noqa: E402
from pstmo_core.lift.input_kinds import CAMERA, SourceError  # noqa: E402
from pstmo_core.lift.keypoints_from_images import keypoints_from_images  # noqa: E402
from pstmo_core.lift.ledger import Ledger  # noqa: E402
from pstmo_core.lift.plan import Job  # noqa: E402
from pstmo_core.lift.settings import LiftSettings  # noqa: E402
from pstmo_core.lift.sources import Images  # noqa: E402
from pstmo_core.lift.videos import video_images  # noqa: E402
from pstmo_core.runtime import Runtime  # noqa: E402
from pstmo_core.streaming.config import StreamConfig  # noqa: E402
from pstmo_core.streaming.lift_clip import lift_clip  # noqa: E402

FRAMES = 40
Film = tuple[list[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def filmed() -> Film:
    """Images of two people who walk, and their joints before the camera."""
    return film(2, FRAMES)


@pytest.fixture
def detector(filmed: Film, monkeypatch: pytest.MonkeyPatch) -> TruthDetector:
    """What `pstmo lift` detects with."""
    truth = TruthDetector(VIEW.project(filmed[1]))
    monkeypatch.setattr(jobs, "_detector", lambda settings, live: truth)
    return truth


def write_video(path: Path, images: list[np.ndarray]) -> Path:
    with imageio.get_writer(path, fps=FPS, codec="libx264", ffmpeg_log_level="error") as writer:
        for image in images:
            writer.append_data(image[..., ::-1])
    return path


def test_people_in_a_video_keep_their_ids_and_are_lifted_near_the_truth(
    filmed: Film, detector: TruthDetector, tmp_path: Path, pstmo: Command
) -> None:
    video = write_video(tmp_path / "room.mp4", filmed[0])
    code, out, err = pstmo(
        "lift", video, "-o", tmp_path / "out.npz", "--focal", VIEW.focal, "--overlay"
    )
    assert code == 0, err
    with np.load(tmp_path / "out.npz") as file:
        joints, roots, ids, stamps = (file[k] for k in ("joints", "roots", "ids", "stamps"))
    assert ids.tolist() == ["p1", "p2"]
    np.testing.assert_allclose(stamps, np.arange(FRAMES) / FPS, atol=1e-6)
    truth = filmed[1]
    assert np.median(mpjpe(joints, truth - truth[:, :, :1])) < 0.08
    rays = [positions[..., :2] / positions[..., 2:] for positions in (roots, truth[:, :, 0])]
    assert np.median(np.abs(rays[0] - rays[1])) < 0.01
    overlay = video_images(tmp_path / "out.overlay.mp4", None)
    assert sum(1 for _ in overlay.frames()) == FRAMES
    assert "people: 2" in out


def test_keypoints_that_were_found_are_not_looked_for_again(
    filmed: Film, detector: TruthDetector, tmp_path: Path, pstmo: Command
) -> None:
    video = write_video(tmp_path / "room.mp4", filmed[0])
    arguments = ("lift", video, "-o", tmp_path / "out.npz")
    results = []
    for more in (("--look-ahead", 3), (), ("--look-ahead", 3)):
        assert pstmo(*arguments, *more)[0] == 0
        with np.load(tmp_path / "out.npz") as file:
            results.append(file["joints"])
    assert detector.calls == FRAMES
    np.testing.assert_array_equal(results[0], results[2])
    assert not np.array_equal(results[0], results[1], equal_nan=True)
    detector.calls = 0
    assert pstmo(*arguments, "--force")[0] == 0
    assert detector.calls == FRAMES


def test_a_video_is_looked_at_with_thunder_unless_lightning_is_named_and_a_camera_in_time(
    tmp_path: Path, pstmo: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four images of the shipped video of real people."""
    source = itertools.islice(video_images(str(sample_video_path()), None).frames(), 4)
    video = write_video(tmp_path / "park.mp4", [image for _, image in source])
    lift = ("lift", video, "-o", tmp_path / "out.npz")
    code, out, err = pstmo(*lift)
    assert code == 0, err
    assert "people: 2" in out and out.strip().endswith("refined by MoveNet thunder-twice")
    lightning = ("--detector-option", "pose_model=lightning")
    assert pstmo(*lift, *lightning)[1].strip().endswith("refined by MoveNet lightning")
    auto = ("--detector-option", "pose_model=auto")
    assert pstmo(*lift, *auto)[1].strip().endswith("refined by MoveNet thunder-twice")
    assert "was done already" in pstmo(*lift)[1]
    code, _, err = pstmo(*lift, "--detector-option", "pose_model=thundre")
    assert code == 2 and "thundre: no such file; pose_model of the detector movenet is auto" in err
    monkeypatch.setattr(jobs, "time", SimpleNamespace(perf_counter=itertools.count().__next__))
    live = jobs._detector(LiftSettings(detector_options=DetectorOptions(search_every=6)), live=True)
    assert "refined by MoveNet lightning: a person takes thunder-twice 2000 ms" in live.describe()


def test_a_folder_of_images_is_a_video(
    filmed: Film, detector: TruthDetector, tmp_path: Path, pstmo: Command, shipped: Runtime
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for index, image in enumerate(filmed[0]):
        cv2.imwrite(str(folder / f"frame{index}.png"), image)  # frame10 comes after frame9
    code, _, err = pstmo("lift", folder, "-o", tmp_path / "out.npz")
    assert code == 2 and "give --fps" in err
    arguments = ("lift", folder, "-o", tmp_path / "out.npz", "--fps", FPS, "--look-ahead", 0)
    assert pstmo(*arguments)[0] == 0
    again = TruthDetector(VIEW.project(filmed[1]))
    clip = keypoints_from_images(images_of(filmed[0]), again, StreamConfig(), "film").clip
    expected = lift_clip(clip, shipped, StreamConfig())
    with np.load(tmp_path / "out.npz") as file:
        np.testing.assert_array_equal(file["joints"], expected.joints)
    (folder / "frame5.png").write_bytes(b"noise")
    code, out, _ = pstmo("lift", folder, "-o", tmp_path / "out.npz", "--fps", FPS)
    assert code == 0 and "1 image left out: frame5.png is not a readable image" in out


def test_a_webp_is_an_image_and_one_of_several_images_is_refused_with_what_to_do(
    filmed: Film, detector: TruthDetector, tmp_path: Path, pstmo: Command
) -> None:
    photo, film = tmp_path / "photo.webp", tmp_path / "film.webp"
    cv2.imwrite(str(photo), filmed[0][0])
    imageio.mimwrite(film, [image[..., ::-1] for image in filmed[0][:3]], duration=100)
    code, _, err = pstmo("lift", photo, "-o", tmp_path / "photo.npz", "--overlay")
    assert code == 0, err
    assert detector.calls == sources._LOOKS
    assert (tmp_path / "photo.overlay.png").exists()
    code, _, err = pstmo("lift", film, "-o", tmp_path / "film.npz")
    assert code == 2 and "make a video or a GIF of it" in err


def test_a_single_image_is_lifted_and_drawn_and_an_animated_gif_is_a_video(
    filmed: Film, detector: TruthDetector, tmp_path: Path, pstmo: Command
) -> None:
    cv2.imwrite(str(tmp_path / "photo.JPG"), filmed[0][0])
    imageio.mimwrite(
        tmp_path / "film.gif", [image[..., ::-1] for image in filmed[0][:8]], duration=100
    )
    given = (tmp_path / "photo.JPG", tmp_path / "film.gif")
    code, _, err = pstmo("lift", *given, "-o", tmp_path / "out", "--format", "npz", "--overlay")
    assert code == 0, err
    assert detector.calls == sources._LOOKS + 8, (
        "an image is searched for more people, part by part"
    )
    with np.load(tmp_path / "out" / "photo.npz") as photo:
        assert photo["joints"].shape == (1, 2, 17, 3) and np.isfinite(photo["joints"]).all()
    with np.load(tmp_path / "out" / "film.npz") as video:
        assert len(video["joints"]) == 8
    assert (cv2.imread(str(tmp_path / "out" / "photo.overlay.png")) > 128).any()
    assert (tmp_path / "out" / "film.overlay.mp4").exists()
    code, out, err = pstmo("lift", *given, "-o", tmp_path / "out", "--format", "npz", "--overlay")
    assert code == 0 and "wrote" not in out, err


def test_a_folder_named_by_a_number_is_no_camera(
    filmed: Film,
    detector: TruthDetector,
    tmp_path: Path,
    pstmo: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what is written into it does not make it another input."""
    folder = tmp_path / "2024"
    folder.mkdir()
    for index, image in enumerate(filmed[0][:12]):
        cv2.imwrite(str(folder / f"{index}.png"), image)
    (folder / "12.png").symlink_to("nowhere")
    monkeypatch.chdir(tmp_path)
    arguments = ("lift", "2024", "-o", "2024", "--format", "npz,json", "--fps", FPS)
    code, out, err = pstmo(*arguments)
    assert code == 0 and "12 frames" in out and (folder / "2024.npz").exists(), err
    assert "was done already" in pstmo(*arguments)[1]


def test_a_truncated_video_is_lifted_as_far_as_it_goes_and_says_so(
    filmed: Film, tmp_path: Path
) -> None:
    images = Images(lambda: iter(images_of(filmed[0][:10]).frames()), FRAMES)
    detector = TruthDetector(VIEW.project(filmed[1]))
    recording = keypoints_from_images(images, detector, StreamConfig(), "cut.mp4")
    assert len(recording.clip) == 10
    assert "only 10 of 40 images" in recording.notes[0]


def test_a_video_with_nobody_in_it_ends_well(
    filmed: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pstmo: Command
) -> None:
    nobody = TruthDetector(np.empty((FRAMES, 0, 17, 2)))
    monkeypatch.setattr(jobs, "_detector", lambda settings, live: nobody)
    video = write_video(tmp_path / "room.mp4", filmed[0][:12])
    formats = ("--format", "npz,json,bvh")
    code, out, err = pstmo(
        "lift", video, "-o", tmp_path / "out", *formats, "--overlay", "--focal", 280
    )
    assert code == 0, err
    assert "nobody was found in 12 images" in out
    with np.load(tmp_path / "out.npz") as file:
        assert file["joints"].shape == (12, 0, 17, 3)
    assert not list(tmp_path.glob("*.bvh"))


def test_ctrl_c_ends_a_cameras_images_and_keeps_them(filmed: Film) -> None:
    def interrupted() -> Iterator[sources.Frame]:
        yield from images_of(filmed[0][:15]).frames()
        raise KeyboardInterrupt

    def detector() -> TruthDetector:
        return TruthDetector(VIEW.project(filmed[1]))

    live = Images(interrupted, live=True)
    assert len(keypoints_from_images(live, detector(), StreamConfig(), "0").clip) == 15
    with pytest.raises(KeyboardInterrupt):
        keypoints_from_images(Images(interrupted), detector(), StreamConfig(), "a.mp4")


def test_a_camera_that_falls_silent_costs_nothing_of_what_it_sent(filmed: Film) -> None:
    def silent() -> Iterator[sources.Frame]:
        yield from images_of(filmed[0][:15]).frames()
        raise SourceError("0: the camera sends no images any more")

    detector = TruthDetector(VIEW.project(filmed[1]))
    recording = keypoints_from_images(Images(silent, live=True), detector, StreamConfig(), "0")
    assert len(recording.clip) == 15 and "sends no images any more" in recording.notes[0]


def test_a_recorded_video_at_an_address_is_not_taken_for_a_stream(
    filmed: Film, tmp_path: Path
) -> None:
    """Its images would be stamped with the time at which they were read."""
    video = write_video(tmp_path / "room.mp4", filmed[0][:12])
    with pytest.raises(SourceError, match="recorded video, not a stream"):
        next(cameras.camera_images(f"file://{video}", lambda: 0).frames())


def test_jpegs_over_http_as_phones_send_them_are_a_camera(filmed: Film) -> None:
    jpegs = [bytes(cv2.imencode(".jpg", image)[1]) for image in filmed[0][:5]]

    class Phone(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            with contextlib.suppress(OSError):  # who looked is gone
                for jpeg in itertools.cycle(jpegs):
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                    self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
                    time.sleep(0.02)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Phone) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/video"
        frames = list(cameras.camera_images(address, time.monotonic_ns, frames=5).frames())
        server.shutdown()
    stamps = [stamp for stamp, _ in frames]
    assert len(stamps) == 5 and (np.diff(stamps) > 0).all()
    assert np.abs(frames[0][1].astype(float) - filmed[0][0]).mean() < 8  # grey levels: it is JPEG


def test_a_cameras_password_is_neither_shown_nor_stored(tmp_path: Path, pstmo: Command) -> None:
    address = "rtsp://user:se:cr@et@127.0.0.1:1/stream"
    code, out, err = pstmo("lift", address, "-o", tmp_path / "out.npz")
    assert code != 0 and "rtsp://user:***@127.0.0.1:1/stream: no stream is to be opened" in err
    assert "se:cr" not in out + err
    job = Job(address, str(tmp_path / "out"), CAMERA)
    ledger = Ledger(Path(job.base), job.source)
    ledger.note_detection(LiftSettings(), ())
    assert "se:cr" not in (tmp_path / "out.lift.json").read_text()


def test_what_cannot_be_written_is_said_before_anything_is_looked_at(
    filmed: Film, detector: TruthDetector, tmp_path: Path, pstmo: Command
) -> None:
    video = write_video(tmp_path / "room.mp4", filmed[0])
    code, _, err = pstmo("lift", video, "-o", video / "out.npz")
    assert code == 2 and "room.mp4: is not a folder" in err
    code, _, err = pstmo("lift", video, "-o", "/proc/out.npz")
    assert code == 2 and "/proc: cannot be written to" in err
    code, _, err = pstmo("lift", video, "-o", tmp_path / "o.npz", "--camera-info", "none.yaml")
    assert code == 2 and "none.yaml" in err
    lens = tmp_path / "wide.yaml"
    lens.write_text(
        "image_width: 640\nimage_height: 360\ncamera_matrix:\n  rows: 3\n  cols: 3\n"
        "  data: [300.0, 0.0, 320.0, 0.0, 300.0, 180.0, 0.0, 0.0, 1.0]\n"
    )
    code, _, err = pstmo("lift", video, "-o", tmp_path / "o.npz", "--camera-info", lens)
    assert code == 2 and "calibration is for 640 x 360" in err
    assert detector.calls == 0


def test_images_of_another_size_are_left_out_and_half_of_them_refused(filmed: Film) -> None:
    small = filmed[0][1][:100]
    detector = TruthDetector(VIEW.project(filmed[1]))
    images = images_of([filmed[0][0], small, filmed[0][2]])
    recording = keypoints_from_images(images, detector, StreamConfig(), "mixed")
    assert len(recording.clip) == 2
    assert "1 image left out: of 320 x 100 pixels, not 320 x 240" in recording.notes
    with pytest.raises(SourceError, match="half of the images or more"):
        keypoints_from_images(images_of([filmed[0][0], small]), detector, StreamConfig(), "mixed")


def test_memory_does_not_grow_with_the_images(filmed: Film) -> None:
    """At most two images are alive at any time."""
    alive = 0

    class Counted(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def frames() -> Iterator[sources.Frame]:
        nonlocal alive
        for index, image in enumerate(filmed[0]):
            alive += 1
            assert alive <= 2
            yield index * 40_000_000, image.copy().view(Counted)

    detector = TruthDetector(VIEW.project(filmed[1]))
    recording = keypoints_from_images(Images(frames), detector, StreamConfig(), "film")
    assert len(recording.clip) == FRAMES


def test_a_camera_is_a_source_of_as_many_images_as_were_asked_for(
    filmed: Film,
    detector: TruthDetector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pstmo: Command,
) -> None:
    class Camera:
        """Stands in for a camera that is connected, of the number 0."""

        def __init__(self, index: int) -> None:
            self._index = index
            self._images = iter(filmed[0])

        def isOpened(self) -> bool:  # noqa: N802  (OpenCV's name)
            return self._index == 0

        def read(self) -> tuple[bool, np.ndarray]:
            return True, next(self._images)

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    arguments = ("-o", tmp_path / "out.npz", "--images", 20)
    assert pstmo("lift", 0, *arguments)[0] == 0
    with np.load(tmp_path / "out.npz") as file:
        assert file["joints"].shape == (20, 2, 17, 3) and (np.diff(file["stamps"]) > 0).all()
    assert (tmp_path / "out.keypoints.npz").exists()
    code, _, err = pstmo("lift", 1, *arguments)
    assert code == 2 and "there is no camera of this number" in err
    code, _, err = pstmo("lift", 0, 1, "-o", tmp_path / "two", "--format", "npz")
    assert code == 2 and "a camera is lifted alone" in err
