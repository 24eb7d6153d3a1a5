r"""Convert motion capture (BVH, or ASF and AMC) to a motion file that training reads.

    python scripts/convert_motion walk.bvh sit.bvh -o own.npz --actor anna --action daily
    python scripts/convert_motion subjects/86/*.amc -o subject86.npz --licence CMU
    python scripts/convert_motion takes/*.bvh -o own.npz --index takes.csv --show-joints

What is done: forward kinematics; 17 joints where the project's other motion has them (docs/data.md;
namings.py has the names of bones that are known, and --names takes a table of your own); metres,
z up; 50 frames/s by cubic interpolation; frames near glitches are cut out, which splits clips.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from bones import FASTEST, SLOWEST, MotionError
from clips import FPS, LIMBS, Clip, Conversion, convert, lengths
from labels import doubts, label, read_index
from motion_file import write_motion
from namings import Place, read_names
from recordings import files_of, read_recording
from tqdm import tqdm

from pstmo_core.atomic_files import check_output
from pstmo_core.data.motion.doubts import doubts_of_motion
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.errors import PstmoError, printable


class Axis(str, Enum):
    """Axes of a file that may point up."""

    Y = "y"
    Z = "z"


def main(
    files: Annotated[list[Path], typer.Argument(help="BVH or AMC files.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The motion file, .npz.", show_default=False)
    ],
    actor: Annotated[str, typer.Option(help="Who moves; one name for one person.")] = "?",
    action: Annotated[str, typer.Option(help="Coarse label of what they do.")] = "any",
    split: Annotated[str, typer.Option(help="train, val or test.")] = "train",
    licence: Annotated[str, typer.Option(help="Licence of the recordings.")] = "",
    quality: Annotated[str, typer.Option(help="Class of quality, column `skeleton`.")] = "own",
    index: Annotated[Path | None, typer.Option(help="CSV file with labels of files.")] = None,
    names: Annotated[
        Path | None,
        typer.Option(
            help='JSON, joint to bone: {"rhip": "RightThigh", "spine": ["Hips", "Chest", 0.4], '
            "...}; a list is a share of the way from one bone to another."
        ),
    ] = None,
    unit: Annotated[
        float, typer.Option(min=0, max=1000, help="Metres of a unit; 0: from the legs.")
    ] = 0.0,
    up: Annotated[
        Axis | None,
        typer.Option(help="Axis of the files that points up; y, if people stand along it."),
    ] = None,
    fps: Annotated[
        float, typer.Option(min=SLOWEST, max=FASTEST, help="Frames/s of AMC files.")
    ] = 120.0,
    feet_on_floor: Annotated[
        bool, typer.Option(help="Shift the height so that the feet stand on the floor.")
    ] = False,
    shortest: Annotated[
        float, typer.Option(min=0.02, max=100, help="Shorter pieces are left out, seconds.")
    ] = 1.0,
    show_joints: Annotated[bool, typer.Option(help="Print lengths of bones of each file.")] = False,
) -> None:
    """Convert motion capture (BVH, or ASF and AMC) to a motion file that training reads.

    An AMC file needs its skeleton, an ASF file, in the same folder: 86_01.amc is read with 86.asf,
    or with the only one there.

    Labels that differ from file to file stand in a CSV file (--index) with the column `file` (a
    name without folder) and any of the columns clip_id, subject, actor, action, description, split,
    skeleton, licence, source_repo, source_path, source_commit.

    Give each person one name: people of the splits val and test must not be in train.
    """
    try:
        inputs = [each for path in files for each in files_of(path)]
        check_output(output, [*inputs, *(each for each in (index, names) if each)])
        rows = read_index(index) if index else {}
        how = Conversion(unit or None, up.value if up else None, feet_on_floor, shortest)
        naming = read_names(names) if names else None
        clips: list[Clip] = []
        for path in tqdm(files, unit="file", delay=2, disable=None):
            row = {"clip_id": path.stem, "subject": actor, "actor": actor, "action": action,
                   "split": split, "licence": licence, "skeleton": quality,
                   "source_path": path.name, **rows.get(path.name, {})}  # fmt: skip
            found = clips_of(path, how, naming, fps, row)
            if show_joints and found:
                tqdm.write(f"{path.name} {described(found[0].positions)}")
            clips += found
        write_motion(output, clips)
    except PstmoError as error:
        typer.echo(f"convert_motion: {printable(error)}", err=True)
        raise typer.Exit(2) from error
    if without := [path.name for path in files if index and path.name not in rows]:
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        note(f"{index} has no line for {without[0]}{more}: labelled by the options")
    for doubt in [*doubts(clips), *doubts_of_motion(load_mocap(output))]:
        note(doubt)
    seconds = sum(len(clip.positions) for clip in clips) / FPS
    print(f"wrote {output}: {len(clips)} clips of {len(files)} files, {seconds / 60:.1f} min")


def clips_of(
    path: Path,
    how: Conversion,
    naming: Mapping[str, Place] | None,
    fps: float,
    labels: Mapping[str, str],
) -> list[Clip]:
    """Convert and label a file, and say so where nothing of it is left.

    Raises:
        MotionError: if it cannot be converted; names the file.
    """
    recording = read_recording(path, fps)
    try:
        clips = convert(recording, how, naming)
        label(clips, labels)
    except MotionError as error:
        raise MotionError(f"{path}: {error}") from error
    if not clips:
        note(f"{path}: nothing is left: no {how.shortest:g} s are without glitches")
    return clips


def note(text: str) -> None:
    """Say what a user should know of a file that was written."""
    tqdm.write(f"note: {printable(text)}", file=sys.stderr)


def described(joints: np.ndarray) -> str:
    """Return lengths in cm of what shows a wrong naming or unit, of joints (F, 17, 3)."""
    bones = [(a, b) for limb in LIMBS for a, b in pairwise(limb)]
    bones += [("hip", "spine"), ("spine", "thorax"), ("thorax", "neck_nose"), ("neck_nose", "head")]
    return ", ".join(f"{a}-{b} {100 * np.median(lengths(joints, a, b)):.0f}" for a, b in bones)


if __name__ == "__main__":
    typer.run(main)
