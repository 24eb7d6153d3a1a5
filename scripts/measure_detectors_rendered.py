#!/usr/bin/env python3
"""Measure detectors on the virtual camera: whether they take rendered figures for people.

    python scripts/measure_detectors_rendered.py [-o FOLDER]

The figures are those of `virtual_camera:=true`: one or two, in captured motion, in rooms of several
looks. A person counts as found if the mean error of the twelve joints from shoulders to ankles is
below a tenth of the person's height in the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from pstmo_core.bench.machine import machine
from pstmo_core.bench.real_recordings import judged
from pstmo_core.bench.report import table, write_report
from pstmo_core.cli.app import run_script
from pstmo_core.detection import Detector, DetectorOptions, load_detector
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.renderer import Renderer
from pstmo_core.simulation.view import View

#: What is measured: name -> kind and options.
SETTINGS: dict[str, tuple[str, dict]] = {
    "simulation (default there)": ("simulation", {}),
    "movenet, thunder-twice (default elsewhere)": ("movenet", {"pose_model": "thunder-twice"}),
    "movenet, thunder": ("movenet", {"pose_model": "thunder"}),
    "movenet, lightning-twice": ("movenet", {"pose_model": "lightning-twice"}),
    "movenet, lightning": ("movenet", {"pose_model": "lightning"}),
    "movenet, refine false": ("movenet", {"refine": False}),
    "blazepose": ("blazepose", {}),
}
#: Images a second, seconds, seeds of room and clothes, and people.
_RATE, _SECONDS, _SEEDS, _PEOPLE = 10, 6, (5, 6, 7), (1, 2)
_FOUND = 0.1
_VIEW = View(640, 480, 560.0, (0.0, -4.5, 1.4))
_HEADER = ("detector", "people found, %", "median 2D error of those, %", "found beside, an image")


def scenes() -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Yield scenes: images in their order, and the true joints (P, 17, 2) in each."""
    for people in _PEOPLE:
        moving = MovingPeople.shipped(people)
        for seed in _SEEDS:
            renderer = Renderer(_VIEW, people, seed, noise=3.0)
            poses = [moving.joints(index / _RATE) for index in range(_RATE * _SECONDS)]
            yield [(renderer.render(pose), _VIEW.project(_VIEW.to_camera(pose))) for pose in poses]


def errors(detector: Detector, image: np.ndarray, truth: np.ndarray) -> tuple[list[float], int]:
    """Return the error of each person of the truth, in heights, and the number of others found.

    The error of a person who is not found is infinite.
    """
    seen = detector.detect(image)
    if not len(seen.points):
        return [float("inf")] * len(truth), 0
    true, found = judged(truth, "h36m17"), judged(seen.points, detector.layout)
    heights = np.ptp(truth[..., 1], axis=1)
    apart = np.linalg.norm(true[:, None] - found[None], axis=-1).mean(-1) / heights[:, None]
    best = apart.min(1)
    best[best > _FOUND] = np.inf
    return best.tolist(), int((apart.min(0) > _FOUND).sum())


def main(
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("docs/benchmarks"),
) -> None:
    """Measure all detectors on the same scenes and write detectors_rendered.json and .md."""
    detectors = {
        name: load_detector(kind, DetectorOptions(detector_threads=1, **options))
        for name, (kind, options) in SETTINGS.items()
    }
    found: dict[str, list[float]] = {name: [] for name in detectors}
    beside: dict[str, list[int]] = {name: [] for name in detectors}
    images = len(_PEOPLE) * len(_SEEDS) * _RATE * _SECONDS
    with tqdm(total=images * len(detectors), unit="image") as progress:
        for scene in scenes():
            for name, detector in detectors.items():
                detector.reset()
                for image, truth in scene:
                    some, others = errors(detector, image, truth)
                    found[name] += some
                    beside[name].append(others)
                    progress.update()
    rows = []
    for name, values in found.items():
        known = np.isfinite(values)
        error = float(np.median(np.array(values)[known])) * 100 if known.any() else float("nan")
        rows.append([name, float(known.mean()) * 100, error, float(np.mean(beside[name]))])
    text = (
        "# Detectors on the virtual camera\n\nRendered figures in captured motion "
        f"({_VIEW.width} x {_VIEW.height}, one and two people, {len(_SEEDS)} looks, {images} "
        "images): errors are in percent of the person's height in the image.\n\n"
        f"{table(_HEADER, rows)}\n\n"
        "Measured by `python scripts/measure_detectors_rendered.py`.\n"
    )
    for path in write_report(output, "detectors_rendered", machine() | {"results": rows}, text):
        print(path)


if __name__ == "__main__":
    run_script(main)
