"""One input from beginning to end, and the plan of many."""

from __future__ import annotations

import dataclasses
import functools
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pstmo_core.atomic_files import whole_file
from pstmo_core.detection.base import Detector
from pstmo_core.detection.loading import load_detector
from pstmo_core.errors import PstmoError
from pstmo_core.evaluation.metrics import mpjpe, p_mpjpe
from pstmo_core.keypoints.clip import Clip, load_clip, save_clip
from pstmo_core.lift import bags, outputs, sources
from pstmo_core.lift.bag_messages import PEOPLE
from pstmo_core.lift.calibration import load_camera_info, pinhole
from pstmo_core.lift.keypoints_from_images import keypoints_from_images
from pstmo_core.lift.ledger import Ledger
from pstmo_core.lift.recording import Recording
from pstmo_core.lift.settings import FORMATS, LiftSettings
from pstmo_core.lift.sources import Images
from pstmo_core.runtime import Runtime, load_runtime
from pstmo_core.streaming.lift_clip import Prediction, lift_clip

_SECOND = 1e9
#: Share of an input's time that finding keypoints in its images takes.
_DETECTION = 0.9
#: What is written beside the formats.
_BESIDE = (".keypoints.npz", ".overlay.mp4", ".lift.json")

Progress = Callable[[float], object]


class LiftError(PstmoError):
    """Inputs and outputs that do not fit together; says what to change."""


@dataclass(frozen=True)
class Job:
    """An input, and where its outputs go."""

    source: str
    base: str
    """Path without suffix."""


@dataclass(frozen=True)
class Result:
    """What came of a job."""

    job: Job
    outputs: tuple[str, ...] = ()
    skipped: bool = False
    """It had been done before."""
    error: str = ""
    """A sentence, where it was not lifted."""
    notes: tuple[str, ...] = ()
    frames: int = 0
    people: int = 0
    runtime: str = ""
    """What ran the network, and why nothing else did."""
    trace: str = ""
    """The traceback of the error, for `--debug`."""


def plan(inputs: list[str], output: Path, formats: list[str]) -> tuple[list[Job], tuple[str, ...]]:
    """Say which input becomes which files, and in which formats.

    One input becomes OUTPUT with the formats' suffixes. Several, or one where OUTPUT is a folder
    that is there, become files in the folder OUTPUT, named as they are.

    Args:
        inputs: files, folders, numbers of cameras.
        output: what the user named; its suffix is a format if none is given.
        formats: what the user asked for.

    Raises:
        LiftError: if outputs would overwrite one another or an input, or no format is known.
    """
    kind = FORMATS.get(output.suffix.lower())
    formats = formats or ([kind] if kind else _same_as(inputs))
    if not formats:
        raise LiftError(
            f"{output}: say what to write by its suffix ({', '.join(FORMATS)}) or --format"
        )
    into = len(inputs) > 1 or (output.is_dir() and not (output / "metadata.yaml").exists())
    if into and kind and not output.is_dir():
        raise LiftError(
            f"{output}: several inputs become files in a folder; name the folder, and the format "
            "by --format"
        )
    base = output.with_suffix("") if kind else output
    jobs = [Job(name, str(output / _stem(name) if into else base)) for name in inputs]
    twice = [name for name, count in Counter(job.base for job in jobs).items() if count > 1]
    if twice:
        clashing = [job.source for job in jobs if job.base == twice[0]]
        raise LiftError(
            f"{' and '.join(clashing)} would both become {twice[0]}: lift them into two folders"
        )
    _spare_inputs(jobs, formats)
    return jobs, tuple(dict.fromkeys(formats))


def _same_as(inputs: list[str]) -> list[str]:
    """Return a bag's storage where the inputs are bags and nothing else was said."""
    kinds = {sources.kind_of(name) for name in inputs}
    return [bags.storage_of(Path(inputs[0]))] if kinds == {sources.BAG} else []


def _stem(source: str) -> str:
    path = Path(source)
    return f"camera{source}" if source.isdecimal() else path.stem if path.is_file() else path.name


def _spare_inputs(jobs: list[Job], formats: list[str]) -> None:
    """Refuse outputs that would replace an input, or a folder that is no bag.

    Raises:
        LiftError: if there is one.
    """
    read = {Path(job.source).resolve() for job in jobs}
    suffixes = [suffix for suffix, name in FORMATS.items() if name in formats]
    for job in jobs:
        base = Path(job.base)
        written = [base.with_name(base.name + suffix) for suffix in (*suffixes, *_BESIDE)]
        written += [base] if {"mcap", "sqlite3"} & set(formats) else []
        taken = [path for path in written if path.resolve() in read]
        if taken:
            raise LiftError(f"{taken[0]}: would replace an input; name another output")
        if base in written and base.exists() and not (base / "metadata.yaml").exists():
            raise LiftError(f"{base}: is there and is no bag; name another output")


def run_job(
    job: Job, settings: LiftSettings, force: bool = False, progress: Progress | None = None
) -> Result:
    """Lift an input unless that was done; what goes wrong is in the result, not raised."""
    try:
        ledger = Ledger(Path(job.base), job.source)
        done = None if force else ledger.outputs(settings)
        if done is not None:
            return Result(job, tuple(map(str, done)), skipped=True)
        return _lift(job, settings, ledger, force, progress or (lambda share: None))
    except (PstmoError, OSError) as error:
        named = "" if job.source in str(error) else f"{job.source}: "
        return Result(job, error=f"{named}{error}", trace=traceback.format_exc())
    except Exception as error:
        # The other inputs shall not be lost to a fault in the program, or in a library.
        sentence = f"{job.source}: unexpected {type(error).__name__}: {error} (--debug shows where)"
        return Result(job, error=sentence, trace=traceback.format_exc())


def _lift(
    job: Job, settings: LiftSettings, ledger: Ledger, force: bool, progress: Progress
) -> Result:
    kind = sources.kind_of(job.source)
    runtime = _runtime(settings.model, settings.threads, settings.backend, settings.precision)
    images = open_images(job.source, kind, settings)
    begun = 0.0 if images is None else _DETECTION
    recording = _recording(job, settings, images, ledger, force, lambda x: progress(begun * x))
    recording, lifted = lift_recording(
        recording, runtime, settings, lambda x: progress(begun + (1 - begun) * x)
    )
    paths = write_outputs(Path(job.base), recording, lifted, runtime, settings, images)
    if images is not None and recording.clip.ids and kind == sources.CAMERA:
        paths.append(ledger.keypoints)
    ledger.note_outputs(settings, paths)
    return Result(
        job,
        tuple(map(str, paths)),
        notes=(*recording.notes, *_accuracy(recording.clip, lifted)),
        frames=len(recording.clip),
        people=len(recording.clip.ids),
        runtime=runtime.explain(),
    )


def _accuracy(clip: Clip, lifted: Prediction) -> tuple[str, ...]:
    """Say how near the skeletons are to the truth, of a clip that has it."""
    if clip.truth is None:
        return ()
    known: np.ndarray = np.isfinite(lifted.joints).all((-2, -1))
    known &= np.isfinite(clip.truth).all((-2, -1))
    if not known.any():
        return ()
    errors = [m(lifted.joints[known], clip.truth[known]).mean() * 1e3 for m in (mpjpe, p_mpjpe)]
    return (f"against the file's truth MPJPE {errors[0]:.1f} mm, P-MPJPE {errors[1]:.1f} mm",)


def lift_recording(
    recording: Recording, runtime: Runtime, settings: LiftSettings, progress: Progress | None = None
) -> tuple[Recording, Prediction]:
    """Lift keypoints with the settings' camera, or the recording's; return it with that camera."""
    clip, camera = recording.clip, recording.camera
    if settings.camera_info:
        camera = load_camera_info(settings.camera_info)
    elif settings.stream.focal:
        camera = pinhole(settings.stream.focal, clip.width, clip.height)

    def tell(frames: int) -> None:
        if progress is not None:
            progress(frames / len(clip))

    lifted = lift_clip(clip, runtime, settings.stream, tell, camera=camera)
    return dataclasses.replace(recording, camera=camera), lifted


def open_images(source: str, kind: str, settings: LiftSettings) -> Images | None:
    """Return the images of an input, None where it holds keypoints."""
    path = Path(source)
    if kind == sources.VIDEO:
        return sources.video_images(path, settings.fps)
    if kind == sources.FOLDER:
        return sources.folder_images(path, settings.fps)
    if kind == sources.CAMERA:
        return sources.camera_images(int(source), time.time_ns, settings.images)
    if kind == sources.BAG:
        topic, message = bags.input_topic(path, settings.topic)
        return None if message == PEOPLE else bags.bag_images(path, topic)
    return None


def _recording(
    job: Job,
    settings: LiftSettings,
    images: Images | None,
    ledger: Ledger,
    force: bool,
    progress: Progress,
) -> Recording:
    """Return the keypoints of an input: read, found again, or found."""
    path = Path(job.source)
    if images is None and sources.kind_of(job.source) == sources.BAG:
        topic, _ = bags.input_topic(path, settings.topic)
        return bags.bag_keypoints(path, topic, settings.stream, progress)
    if images is None:
        given = {"fps": settings.fps, "size": settings.size, "layout": settings.layout}
        return Recording(load_clip(path, **given))  # type: ignore[arg-type]
    # Files of keypoints keep microseconds; a bag's stamps are finer, so it is read anew.
    kept = not images.frame_id and sources.kind_of(job.source) != sources.BAG
    notes = ledger.detected(settings) if kept and not images.live and not force else None
    if notes is not None:
        return Recording(load_clip(ledger.keypoints), notes=notes)
    detector = _detector(settings)
    found = keypoints_from_images(images, detector, settings.stream, job.source, progress)
    if kept:
        with whole_file(ledger.keypoints) as partial:
            save_clip(found.clip, partial)
        if not images.live:
            ledger.note_detection(settings, found.notes)
    return found


def write_outputs(
    base: Path,
    recording: Recording,
    lifted: Prediction,
    runtime: Runtime,
    settings: LiftSettings,
    images: Images | None = None,
) -> list[Path]:
    """Write every format that the settings ask for; return the paths."""
    paths: list[Path] = []
    name = base.name
    if "npz" in settings.formats:
        paths += outputs.write_npz(base.with_name(f"{name}.npz"), lifted)
    if "json" in settings.formats:
        paths += outputs.write_json(base.with_name(f"{name}.json"), lifted)
    if "bvh" in settings.formats:
        paths += outputs.write_bvh_files(base, lifted)
    if settings.bag:
        look_ahead = round(settings.stream.look_ahead * runtime.config.step * _SECOND)
        paths += bags.write_bag(base, lifted, settings.bag, recording.frame_id, look_ahead)
    if settings.overlay:
        from pstmo_core.lift.overlay import write_overlay

        again = None if images is None or images.live else images
        paths += write_overlay(base.with_name(f"{name}.overlay.mp4"), recording.clip, lifted, again)
    return paths


@functools.lru_cache(maxsize=1)
def _runtime(model: str, threads: int, backend: str, precision: str) -> Runtime:
    return load_runtime(model or None, threads, backend, precision)


@functools.lru_cache(maxsize=1)
def _loaded_detector(settings: LiftSettings) -> Detector:
    return load_detector(settings.detector, settings.detector_options)


def _detector(settings: LiftSettings) -> Detector:
    """Return the settings' detector, loaded once a process."""
    return _loaded_detector(
        LiftSettings(detector=settings.detector, detector_options=settings.detector_options)
    )
