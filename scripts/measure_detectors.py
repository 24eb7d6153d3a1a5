#!/usr/bin/env python3
"""Measure detectors on real videos with a 3D reference.

    python scripts/measure_detectors.py RECORDINGS VIDEOS [-o FOLDER] [--keep FOLDER]

RECORDINGS holds npz files as `pstmo bench real` reads them, VIDEOS a camNN.mp4 for each file whose
name ends in _camNN. Of the recording p2s_single the videos are in the PyPI package pose2sim
(Pose2Sim/Demo_SinglePerson/videos). --keep writes the recordings again with the keypoints that were
found, for `pstmo bench real`.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from tqdm import tqdm

from pstmo_core.atomic_files import atomic_file, check_output
from pstmo_core.bench.machine import describe_machine, machine
from pstmo_core.bench.real import lift, measure
from pstmo_core.bench.real_recordings import JUDGED, PROJECTED, View, judged, load_view
from pstmo_core.bench.report import table, write_report
from pstmo_core.cli.app import run_script
from pstmo_core.detection import DetectorOptions, load_detector
from pstmo_core.keypoints.clip import Clip
from pstmo_core.runtime import load_runtime
from pstmo_core.streaming.config import StreamConfig

#: What is measured: name -> kind and options. One thread, so that CPU time is the time it takes.
SETTINGS: dict[str, tuple[str, dict]] = {
    "movenet, thunder-twice (default)": ("movenet", {"pose_model": "thunder-twice"}),
    "movenet, thunder": ("movenet", {"pose_model": "thunder"}),
    "movenet, lightning-twice": ("movenet", {"pose_model": "lightning-twice"}),
    "movenet, lightning": ("movenet", {"pose_model": "lightning"}),
    "movenet, refine false, 256": ("movenet", {"refine": False, "input_size": 256}),
    "movenet, refine false, 384": ("movenet", {"refine": False, "input_size": 384}),
    "blazepose": ("blazepose", {}),
}
_HEADER = ("detector", "median 2D error, %", "95th percentile, %", "2D tremble, %",
           "hips too high, % of the trunk", "MPJPE, mm",
           "P-MPJPE, mm", "jitter, mm", "lag, ms", "knee, degrees", "frames without a person",
           "CPU ms per image", "95th percentile, ms")  # fmt: skip
_SHOULDERS, _HIPS = ([JUDGED.index(side + name) for side in "rl"] for name in ("shoulder", "hip"))


def find(images: list[np.ndarray], view: View, kind: str, options: dict) -> tuple[Clip, np.ndarray]:
    """Return the keypoints of the person of the reference, and milliseconds of CPU (F,)."""
    detector = load_detector(kind, DetectorOptions(detector_threads=1, **options))
    truth = judged(view.keypoints[PROJECTED].keypoints[:, 0], view.keypoints[PROJECTED].layout)
    found, took = [], []
    for image, expected in zip(images, truth, strict=True):
        began = time.process_time()
        seen = detector.detect(image)
        took.append(time.process_time() - began)
        person = np.full((seen.points.shape[1], 3), np.nan)
        if len(seen.points):
            # Others are in the room, too.
            apart = np.linalg.norm(judged(seen.points, detector.layout) - expected, axis=-1)
            nearest = np.nanmean(apart, axis=1).argmin()
            person = np.column_stack([seen.points[nearest], seen.scores[nearest]])
        found.append(person)
    values = np.array(found)
    base = view.keypoints[PROJECTED]
    clip = dataclasses.replace(
        base,
        keypoints=values[:, None, :, :2].astype(np.float32),
        scores=np.nan_to_num(values[:, None, :, 2]).astype(np.float32),
        layout=detector.layout,
    )
    return clip, np.array(took) * 1e3


def errors(clip: Clip, view: View) -> tuple[float, float, float, float]:
    """Return median and 95th percentile of the 2D error, the tremble, and how high hips are placed.

    The first three are in % of the person's height, which is that of the twelve judged joints. The
    tremble is the mean second difference of the error from image to image. The last is the median
    shift of the hips towards the shoulders, in % of the trunk: what a detector calls hips, which
    moves all joints that are measured from there.
    """
    truth = judged(view.keypoints[PROJECTED].keypoints[:, 0], view.keypoints[PROJECTED].layout)
    error = judged(clip.keypoints[:, 0], clip.layout) - truth
    height = np.nanmean(np.ptp(truth[..., 1], axis=1))
    size = np.linalg.norm(error, axis=-1) / height * 100
    tremble = np.linalg.norm(np.diff(error, 2, axis=0), axis=-1) / height * 100
    shoulders, hips = (truth[:, at].mean(1) for at in (_SHOULDERS, _HIPS))
    trunk = shoulders - hips
    shift = (error[:, _HIPS].mean(1) * trunk).sum(-1) / (trunk**2).sum(-1) * 100
    return (
        float(np.nanmedian(size)),
        float(np.nanpercentile(size, 95)),
        float(np.nanmean(tremble)),
        float(np.nanmedian(shift)),
    )


def read(path: Path, count: int) -> list[np.ndarray]:
    """Read the first images of a video."""
    video = cv2.VideoCapture(str(path))
    images = [image for _ in range(count) if (image := video.read()[1]) is not None]
    if len(images) < count:
        raise SystemExit(f"{path}: has {len(images)} images, but its reference has {count}")
    return images


def measured(view: View, clip: Clip, took: np.ndarray) -> tuple[float, ...]:
    """Return a view's figures, as `_HEADER` has them from its second column on."""
    view = dataclasses.replace(view, keypoints={"found": clip})
    judgement = measure(lift(view, "found", load_runtime(), StreamConfig()), view, clip)
    missing = float(np.isnan(clip.keypoints[:, 0]).any((1, 2)).sum())
    errors = (judgement.mpjpe, judgement.p_mpjpe, judgement.jitter)
    three = (*errors, judgement.lag, judgement.knee_angle_error)
    return (*three, missing, float(took.mean()), float(np.percentile(took, 95)))


def main(
    recordings: Path,
    videos: Path,
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("docs/benchmarks"),
    keep: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Measure all settings on all views and write detectors.json and detectors.md."""
    paths = sorted(recordings.glob("*_cam*.npz"))
    for path in paths if keep else []:
        check_output(keep / path.name, [path])
    figures: dict[str, list[tuple[float, ...]]] = {name: [] for name in SETTINGS}
    with tqdm(total=len(paths) * len(SETTINGS), unit="video") as progress:
        for path in paths:
            view = load_view(path)
            images = read(videos / f"cam{path.stem[-2:]}.mp4", len(view.reference))
            fields = dict(np.load(path))
            for name, (kind, options) in SETTINGS.items():
                clip, took = find(images, view, kind, options)
                figures[name].append((*errors(clip, view), *measured(view, clip, took)))
                key = f"{clip.layout}_{name.replace(',', '').replace(' ', '_')}"
                points = np.concatenate([clip.keypoints[:, 0], clip.scores[:, 0, :, None]], -1)
                fields[key] = points.astype(np.float32)
                progress.update()
            if keep:
                with atomic_file(keep / path.name) as partial, partial.open("wb") as file:
                    np.savez_compressed(file, **fields)
    rows = [[name, *map(float, np.nanmean(values, 0))] for name, values in figures.items()]
    text = (
        "# Detectors on real video\n\nMeans over the views of one man who balances and walks, "
        f"filmed by {len(paths)} cameras at 60 images/s, 1080 x 1920; the reference was "
        "triangulated from other detectors' keypoints and is itself off by about 13 mm. 2D errors "
        "are in percent of the height from shoulders to ankles. 3D is the shipped network's at "
        "look-ahead 0 with the default filters. How high hips lie is judged by the reference's, "
        "which are BlazePose's: detectors differ in what they call hips, and joints are measured "
        "from there. Recordings get thunder-twice by default, live images the best of the first "
        "four for which the machine has the time. CPU time is of one thread, decoding not counted. "
        f"Machine: {describe_machine()}.\n\n{table(_HEADER, rows)}\n\n"
        "Measured by `python scripts/measure_detectors.py RECORDINGS VIDEOS`, whose "
        "help says where these come from. Rendered people instead of real ones: "
        "[detectors_rendered.md](detectors_rendered.md).\n"
    )
    for path in write_report(output, "detectors", machine() | {"results": figures}, text):
        print(path)


if __name__ == "__main__":
    run_script(main)
