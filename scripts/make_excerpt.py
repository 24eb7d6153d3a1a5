"""Cuts the two small motion-capture files of this repository out of the complete one.

    python scripts/make_excerpt.py --mocap cmu_h36m17.npz

Writes test/data/mocap_excerpt.npz, the first 5 s of a few clips of each split, for the tests, and
pstmo_core/samples/motion.npz, the first 8 s of clips of the test split, for the virtual camera.
Keys are as in the complete file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pstmo_core.atomic_files import atomic_file, check_output
from pstmo_core.cli.app import run_script

REPOSITORY = Path(__file__).parents[1]
#: File -> beginnings of the clips' names, and frames of each.
EXCERPTS: dict[str, tuple[tuple[str, ...], int]] = {
    "test/data/mocap_excerpt.npz": (
        (
            "01_04", "05_14", "06_02", "07_05", "13_31", "82_normalwalk", "61_05", "02_05",
            "91_normalwalk",
        ),
        250,
    ),
    "pstmo_core/samples/motion.npz": (("91_normalwalk", "105_normalwalk", "02_05", "02_07"), 400),
}  # fmt: skip
A_CLIP = ("clip_id", "subject", "actor", "action", "description", "split", "skeleton")
CONSTANT = ("rel_scale", "fps", "joint_names", "parents", "joints_left", "joints_right")


def main(
    mocap: Annotated[Path, typer.Option(help="The complete motion-capture file.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder that stands for the repository.")
    ] = REPOSITORY,
) -> None:
    """Write the excerpts."""
    for name, (clips, frames) in EXCERPTS.items():
        write(mocap, output / name, clips, frames)


def write(mocap: Path, output: Path, clips: tuple[str, ...], frames: int) -> None:
    """Write the first frames of some clips."""
    check_output(output, [mocap])
    with np.load(mocap, allow_pickle=False) as file:
        names = file["clip_id"].tolist()
        chosen = [index for index, name in enumerate(names) if name.startswith(clips)]
        length = np.minimum(file["clip_len"][chosen], frames)
        starts = file["clip_start"][chosen]
        rows = np.concatenate([np.arange(s, s + n) for s, n in zip(starts, length, strict=True)])
        fields = {
            "rel_pos": file["rel_pos"][rows],
            "root_pos": file["root_pos"][rows],
            "clip_start": (np.cumsum(length) - length).astype(np.int32),
            "clip_len": length.astype(np.int32),
            **{key: file[key][chosen] for key in A_CLIP},
            **{key: file[key] for key in CONSTANT},
        }
        splits = file["split"][chosen]
    with atomic_file(output) as partial, partial.open("wb") as stored:
        np.savez_compressed(stored, **fields)
    print(f"wrote {output}: {len(rows)} frames of {len(chosen)} clips, {np.unique(splits)}")


if __name__ == "__main__":
    run_script(main)
