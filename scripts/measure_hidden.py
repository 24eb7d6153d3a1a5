r"""How good the joints are that are seen while legs, or all below the chest, are not.

    python scripts/measure_hidden.py --mocap cmu_h36m17.npz --real FOLDER \
        -o docs/benchmarks/hidden.md

The same windows three times: whole, without legs, without anything below the chest; and recordings
with a 3D reference as `pstmo bench real` takes them. Errors of the joints that are seen all the
time are given with the middle of the hips aligned, as everywhere else, and with the middle of the
shoulders aligned: where hips are not seen, the first is mostly the guess where they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from pstmo_core.atomic_files import write_text
from pstmo_core.bench.hidden_joints import BELOW_CHEST, LEGS, has_part, without
from pstmo_core.bench.real import lift
from pstmo_core.bench.real_recordings import JUDGED, View, load_recordings
from pstmo_core.cli.app import run_script
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.motion.sampler import encode
from pstmo_core.data.motion.virtual_cameras import CameraRange, draw_cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.evaluation.both_ways import lift_both_ways
from pstmo_core.evaluation.mocap_windows import infer
from pstmo_core.model.checkpoints import load_weights
from pstmo_core.model.stmo import STMO
from pstmo_core.runtime import load_runtime, shipped_model
from pstmo_core.skeleton import JOINT_NAMES, ROOT
from pstmo_core.streaming.config import StreamConfig

#: What is hidden, by parts of the joints' names.
HIDDEN = {"whole": (), "legs": LEGS, "below the chest": BELOW_CHEST}
SEEN = [JOINT_NAMES.index(s + n) for s in "lr" for n in ("shoulder", "elbow", "wrist")]
_HIPS, _SHOULDERS = ([JOINT_NAMES.index(s + n) for s in "lr"] for n in ("hip", "shoulder"))
_HEAD = (
    "| hidden | mid-hips aligned | shoulders aligned | hips, shoulders aligned |\n|---|---|---|---|"
)


def errors(lifted: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Return errors of poses (N, 17, 3) in mm: seen joints by either alignment, and the hips."""
    by_hips = _distances(lifted, truth, _HIPS)[:, SEEN]
    by_shoulders = _distances(lifted, truth, _SHOULDERS)
    return by_hips.mean(), by_shoulders[:, SEEN].mean(), by_shoulders[:, _HIPS].mean()


def _distances(lifted: np.ndarray, truth: np.ndarray, aligned: list[int]) -> np.ndarray:
    one, other = (poses - poses[:, aligned].mean(1, keepdims=True) for poses in (lifted, truth))
    distances: np.ndarray = np.linalg.norm(one - other, axis=-1) * 1e3
    return distances


def captured(
    network: STMO, clips: Clips, windows: int, parts: tuple[str, ...]
) -> tuple[float, ...]:
    """Measure on windows of captured motion, the newest frame."""
    generator, model = torch.Generator().manual_seed(1), network.config
    clip, target = clips.draw_targets(windows, generator)
    world = clips.windows(clip, target, model.step * clips.fps, model.frames)
    cameras = draw_cameras(world, CameraRange(), generator)
    in_camera = cameras.to_camera(world)
    scores = torch.ones(in_camera.shape[:-1])
    scores[..., [j for j, name in enumerate(JOINT_NAMES) if has_part(name, parts)]] = 0
    poses = in_camera - in_camera[:, :, ROOT : ROOT + 1]
    known = torch.ones(windows, dtype=torch.bool)
    frames, poses = encode(
        rays(in_camera), scores, poses, cameras, known, torch.zeros(windows, 3), model.encoding
    )
    all_frames, _ = lift_both_ways(lambda part: infer(network, part), frames, model.encoding)
    lifted = all_frames[:, -1, :, :3]
    return errors(lifted, poses[:, -1].numpy())


def recorded(view: View, detector: str, parts: tuple[str, ...]) -> tuple[float, ...]:
    """Measure on one camera's recording, as a stream."""
    hidden = without(view.keypoints[detector], parts)
    seen = dataclasses.replace(view, keypoints={detector: hidden})
    answer = lift(seen, detector, load_runtime(), StreamConfig())[..., :3]
    known = np.isfinite(answer).all((1, 2))
    poses = [np.zeros((known.sum(), len(JOINT_NAMES), 3)) for _ in range(2)]
    for pose, values in zip(poses, (answer, view.reference), strict=True):
        pose[:, [JOINT_NAMES.index(name) for name in JUDGED]] = values[known]
    return errors(*poses)


def _rows(mocap: Path, real: Path | None, windows: int) -> Iterator[tuple[str, str, np.ndarray]]:
    motion = load_mocap(mocap, "test")
    clips = Clips.of(motion.select(motion.quality == "own"))
    network = load_weights(shipped_model().with_suffix(".safetensors"))
    for hidden, parts in HIDDEN.items():
        yield (
            f"{mocap.name}, test split, class own",
            hidden,
            np.array(captured(network, clips, windows, parts)),
        )
    for recording, views in (load_recordings(real) if real else {}).items():
        for detector in views[0].keypoints:
            for hidden, parts in HIDDEN.items():
                measured = [recorded(view, detector, parts) for view in views]
                yield f"{recording}, {detector}", hidden, np.mean(measured, 0)


def main(
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The Markdown file to write.")],
    real: Annotated[Path | None, typer.Option(help="Recordings with a 3D reference.")] = None,
    windows: Annotated[int, typer.Option(help="Windows of captured motion.")] = 1000,
) -> None:
    """Measure and write the tables."""
    lines = [
        "# Legs or all below the chest out of view\n",
        "Errors of the shipped network in mm, look-ahead 0: of shoulders, elbows and wrists, which "
        "are always seen, with the middle of the hips or of the shoulders aligned, and of the hips "
        "with the shoulders aligned. The position of hidden hips is an estimate, and aligning by "
        "them adds its error to all joints: then read the columns with the shoulders aligned. "
        "Measured by:\n",
        f"    python scripts/measure_hidden.py --mocap {mocap.name}"
        + (" --real ../shared/real" if real else ""),
    ]
    title = ""
    for shown, hidden, values in _rows(mocap, real, windows):
        if shown != title:
            title = shown
            lines += [f"\n## {title}\n", _HEAD]
        lines.append(f"| {hidden} | {' | '.join(f'{value:.0f}' for value in values)} |")
        typer.echo(f"{shown}: {lines[-1]}")
    write_text(output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    run_script(main)
