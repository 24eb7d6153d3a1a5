"""How detectors err on recordings with a 3D reference, beside what training draws.

    python scripts/measure_detector_errors.py FOLDER --mocap cmu_h36m17.npz

FOLDER holds recordings as `pstmo bench real` takes them. Errors are distances in the image as
shares of the person's apparent size (the RMS distance of the twelve joints from their middle):

- lasting: median over joints and views of the error's median over time (joint definitions, too);
- varying: deviation of what is left without the mean of a second, and its 95 and 99 % quantiles;
- alike after 40 and 200 ms: correlation of what is left with itself so much later.

The sizes in `pstmo_core.data.motion.detector_errors` were chosen by these numbers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from pstmo_core.bench.real_recordings import JUDGED, PROJECTED, View, load_recordings
from pstmo_core.bench.report import table
from pstmo_core.data.motion import detector_errors
from pstmo_core.data.motion.detector_errors import DetectorErrors
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.motion.virtual_cameras import CameraRange, draw_cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.skeleton import JOINT_NAMES

_WINDOW = 1.04
"""Seconds of the network's window, over which an error is lasting."""
_HEADER = ("keypoints", "lasting", "varying", "95 %", "99 %", "alike after 40 ms", "200 ms")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mocap", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=1000)
    arguments = parser.parse_args()
    rows = []
    for recording, views in load_recordings(arguments.folder).items():
        for detector in views[0].keypoints:
            if detector != PROJECTED:
                errors = [recorded(view, detector) for view in views if detector in view.keypoints]
                rows.append([f"{recording}, {detector}", *measures(errors, views[0].fps)])
    drawn = list(draw(arguments.mocap, arguments.windows))
    rows.append(["drawn for training", *measures(drawn, 25.0)])
    print(table(_HEADER, rows))


def recorded(view: View, detector: str) -> np.ndarray:
    """Errors (F, 12, 2) of a detector in one view."""
    found, truth = (_judged(view, name) for name in (detector, PROJECTED))
    middle = truth.mean(1, keepdims=True)
    size = np.sqrt(((truth - middle) ** 2).sum(-1).mean(-1))
    return (found - truth) / size[:, None, None]


def draw(mocap: Path, count: int) -> np.ndarray:
    """Errors (B, F, 12, 2) of windows as training draws them, those with errors alone."""
    generator = torch.Generator().manual_seed(1)
    clips = Clips.of(load_mocap(mocap, "train"))
    world = clips.windows(*clips.draw_targets(count, generator), 0.04 * clips.fps, 27)
    ranges = CameraRange(off_centre=(0, 0), distance=(4, 7))
    cameras = draw_cameras(world, ranges, generator)
    in_camera = cameras.to_camera(world)
    clean = rays(in_camera)
    errors = DetectorErrors(clean_share=0, legs_hidden=0, lost=0, flicker=0)
    found, _ = detector_errors.apply(clean.clone(), cameras, in_camera[..., 2], errors, generator)
    columns = [JOINT_NAMES.index(name) for name in JUDGED]
    truth, found = clean[:, :, columns].numpy(), found[:, :, columns].numpy()
    middle = truth.mean(2, keepdims=True)
    size = np.sqrt(((truth - middle) ** 2).sum(-1).mean(-1))
    return (found - truth) / size[..., None, None]


def measures(errors: list[np.ndarray], fps: float) -> list[str]:
    """The cells of a row, from errors (F, 12, 2) of several views or windows."""
    length = round(_WINDOW * fps)
    parts = [e[start : start + length] for e in errors for start in range(0, len(e), length)]
    parts = [part for part in parts if len(part) == length]
    lasting = np.stack([np.linalg.norm(np.median(part, 0), axis=-1) for part in parts])
    varying = np.stack([part - part.mean(0) for part in parts])
    distance = np.linalg.norm(varying, axis=-1)
    cells = [np.median(lasting), np.sqrt((varying**2).mean()), *np.quantile(distance, (0.95, 0.99))]
    alike = []
    for seconds in (0.04, 0.2):
        lag = max(1, round(seconds * fps))
        products = (varying[:, lag:] * varying[:, :-lag]).mean((1, 3))
        alike.append(np.median(products / np.maximum((varying**2).mean((1, 3)), 1e-12)))
    return [*(f"{cell:.3f}" for cell in cells), *(f"{cell:.2f}" for cell in alike)]


def _judged(view: View, detector: str) -> np.ndarray:
    clip = view.keypoints[detector]
    names = get_layout(clip.layout).joint_names
    return clip.keypoints[:, 0, [names.index(name) for name in JUDGED]].astype(np.float64)


if __name__ == "__main__":
    main()
