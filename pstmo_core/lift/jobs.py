"""Lifts one input, from opening it to the written files."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from pstmo_core.atomic_files import check_folder, refuse_inputs
from pstmo_core.camera import CameraError
from pstmo_core.detection.base import Detector
from pstmo_core.detection.loading import load_detector
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.clip import Clip, load_keypoints, save_clip
from pstmo_core.keypoints.npz.bounded import MOST_BYTES
from pstmo_core.keypoints.sightings import Sightings
from pstmo_core.lift import input_kinds, outputs
from pstmo_core.lift.calibration import load_camera_info, pinhole
from pstmo_core.lift.crowd import people_at_once
from pstmo_core.lift.keypoints_from_images import keypoints_from_images
from pstmo_core.lift.ledger import Ledger
from pstmo_core.lift.notes import accuracy, leaning, losses, odd_times
from pstmo_core.lift.opening import Progress, open_source
from pstmo_core.lift.plan import Job, LiftError
from pstmo_core.lift.recording import Recording
from pstmo_core.lift.settings import MOST_PEOPLE, LiftSettings
from pstmo_core.lift.skeleton_bags import write_bag
from pstmo_core.lift.sources import Images
from pstmo_core.runtime import AnyRuntime, load_runtime
from pstmo_core.streaming.lift_clip import Prediction, lift_clip
from pstmo_core.streaming.look_ahead import frame_time, look_ahead_ns

#: Share of an input's time that finding keypoints in its images takes.
_DETECTION = 0.9


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
    """What ran the network."""
    trace: str = ""
    """The traceback of the error, for `--debug`."""


def run_job(
    job: Job, settings: LiftSettings, force: bool = False, progress: Progress | None = None
) -> Result:
    """Lift an input unless that was done; what goes wrong is in the result, not raised."""
    try:
        ledger = Ledger(Path(job.base), job.source, force)
        done = None if force else ledger.outputs(settings)
        if done is not None:
            return Result(job, tuple(map(str, done)), skipped=True)
        for path in job.outputs(settings.formats, settings.overlay):
            refuse_inputs(path, settings.files())
            ledger.require_own(path)
        # What cannot work is said now, not when hours of video have been looked through.
        check_folder(Path(job.base).parent)
        return _lift(job, settings, ledger, force, progress or (lambda share: None))
    except (PstmoError, OSError) as error:
        named = "" if job.shown in str(error) else f"{job.shown}: "
        return Result(job, error=f"{named}{error}", trace=traceback.format_exc())
    except Exception as error:
        # The other inputs shall not be lost to a fault in the program, or in a library.
        sentence = f"{job.shown}: unexpected {type(error).__name__}: {error} (--debug shows where)"
        return Result(job, error=sentence, trace=traceback.format_exc())


def _lift(
    job: Job, settings: LiftSettings, ledger: Ledger, force: bool, progress: Progress
) -> Result:
    runtime = _runtime(settings.model, settings.threads, settings.backend, settings.precision)
    source = open_source(job.source, job.kind, settings)
    images = source if isinstance(source, Images) else None
    _check_calibration(images, settings)
    begun = 0.0 if images is None else _DETECTION
    if isinstance(source, Images):
        recording = _found_keypoints(
            job, settings, source, ledger, force, lambda share: progress(begun * share)
        )
    else:
        recording = source(lambda share: None)
    recording, lifted = lift_recording(
        recording, runtime, settings, lambda x: progress(begun + (1 - begun) * x)
    )
    paths = write_outputs(job, ledger, recording, lifted, runtime, settings, images)
    if not paths:  # an animation has no frame without a person
        why = "; ".join(losses(lifted, settings))
        raise LiftError(f"{job.shown}: {why}; so there is nothing to write as BVH")
    if images is not None and images.live and ledger.keypoints.exists():
        paths.append(ledger.keypoints)
    ledger.note_outputs(settings, paths)
    return Result(
        job,
        tuple(map(str, paths)),
        notes=(
            *recording.notes,
            *losses(lifted, settings),
            *odd_times(recording.clip.stamps, frame_time(runtime.config)),
            *leaning(lifted, settings),
            *accuracy(recording.clip, lifted),
        ),
        frames=len(recording.clip),
        people=len(recording.clip.ids),
        runtime=runtime.describe(),
    )


def _check_calibration(images: Images | None, settings: LiftSettings) -> None:
    """Check, before all images are looked through, that the calibration can be of their camera."""
    if not settings.camera_info:
        return
    camera = load_camera_info(settings.camera_info, bool(settings.rectified))
    if images is None or images.live:
        return
    sizes = [image.shape[1::-1] for _, image in itertools.islice(images.frames(), 1)]
    try:
        for size in sizes:
            camera.scaled_to(*size)
    except CameraError as error:
        if not images.stretched:
            raise
        raise CameraError(
            f"{error}: the video's pixels are not square, and its images were stretched to this "
            "size, as players do; calibrate with images as a player shows them"
        ) from error


def lift_recording(
    recording: Recording,
    runtime: AnyRuntime,
    settings: LiftSettings,
    progress: Progress | None = None,
) -> tuple[Recording, Prediction]:
    """Lift keypoints with the settings' camera, or the recording's; return it with that camera."""
    clip, camera = recording.clip, recording.camera
    if settings.camera_info:
        camera = load_camera_info(settings.camera_info, bool(settings.rectified))
    elif settings.stream.focal:
        camera = pinhole(settings.stream.focal, clip.width, clip.height)

    def tell(frames: int) -> None:
        if progress is not None:
            progress(frames / len(clip))

    most = settings.max_people or min(people_at_once(clip, settings.stream.expire), MOST_PEOPLE)
    config = dataclasses.replace(settings.stream_for(runtime.config), max_people=max(1, most))
    lifted = lift_clip(clip, runtime, config, tell, camera=camera)
    return dataclasses.replace(recording, camera=camera), lifted


def _found_keypoints(
    job: Job,
    settings: LiftSettings,
    images: Images,
    ledger: Ledger,
    force: bool,
    progress: Progress,
) -> Recording:
    """Return the keypoints of images: found now, or by an earlier call."""
    # Files of keypoints keep microseconds; a bag's stamps are finer, so it is read again.
    kept = job.kind != input_kinds.BAG
    notes = ledger.detected(settings) if kept and not images.live and not force else None
    if notes is not None:
        return Recording(load_keypoints(ledger.keypoints), notes=notes)
    searching = settings if images.looks == 1 else _at_every_look(settings)
    detector = _detector(searching, images.live)
    found = keypoints_from_images(images, detector, settings.stream, job.shown, progress)
    if kept and _can_be_read_again(found.clip):
        save_clip(found.clip, ledger.keypoints)
        ledger.note_detection(settings, found.notes, live=images.live)
    return found


def _at_every_look(settings: LiftSettings) -> LiftSettings:
    """Return settings with which everybody is searched for whenever an image is looked at."""
    options = dataclasses.replace(settings.detector_options, search_every=1)
    return dataclasses.replace(settings, detector_options=options)


def _can_be_read_again(clip: Clip | Sightings) -> bool:
    """Whether arrays of all frames and people are not too large to be read: a day of passers-by."""
    if isinstance(clip, Clip):
        return True
    return sum(member.nbytes for member in clip.members().values()) < MOST_BYTES


def write_outputs(
    job: Job,
    ledger: Ledger,
    recording: Recording,
    lifted: Prediction,
    runtime: AnyRuntime,
    settings: LiftSettings,
    images: Images | None = None,
) -> list[Path]:
    """Write every format that the settings ask for; return the paths."""
    paths: list[Path] = []
    if "npz" in settings.formats:
        paths += outputs.write_npz(job.beside(".npz"), lifted)
    if "json" in settings.formats:
        paths += outputs.write_json(job.beside(".json"), lifted)
    if "bvh" in settings.formats:
        paths += outputs.write_bvh_files(Path(job.base), lifted, ledger.require_own)
    if settings.bag:
        look_ahead = look_ahead_ns(runtime.config, settings.stream_for(runtime.config).look_ahead)
        base = Path(job.base)
        paths += write_bag(base, lifted, settings.bag, recording.frame_id, look_ahead)
    if settings.overlay:
        from pstmo_core.lift.overlay import write_overlay

        again = None if images is None or images.live else images
        paths += write_overlay(job.overlay, recording.clip, lifted, again, settings.stream.upright)
    return paths


@functools.lru_cache(maxsize=1)
def _runtime(model: str, threads: int, backend: str, precision: str) -> AnyRuntime:
    return load_runtime(model or None, threads, backend, precision)


@functools.lru_cache(maxsize=1)
def _loaded_detector(settings: LiftSettings, live: bool) -> Detector:
    clock = time.perf_counter if live else None
    return load_detector(settings.detector, settings.detector_options, clock)


def _detector(settings: LiftSettings, live: bool = False) -> Detector:
    """Return the settings' detector, loaded once a process; for live images one that keeps up."""
    return _loaded_detector(
        LiftSettings(detector=settings.detector, detector_options=settings.detector_options), live
    )
