"""Plans which files each input becomes, so that no output replaces another file of the user."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pstmo_core.atomic_files import refuse_inputs
from pstmo_core.errors import PstmoError
from pstmo_core.lift import bag_reader, input_kinds
from pstmo_core.lift.settings import BAGS, FORMATS
from pstmo_core.lift.skeleton_bags import is_skeleton_bag

#: Bytes of a file's name, which most file systems allow.
LONGEST_NAME = 255
#: What is written beside the formats; of keypoints, where they are found in images.
LEDGER, KEYPOINTS = ".lift.json", ".keypoints.npz"
#: Of a video, and of a single image.
OVERLAYS = (".overlay.mp4", ".overlay.png")


class LiftError(PstmoError):
    """Inputs and outputs that do not fit together; says what to change."""


@dataclass(frozen=True)
class Job:
    """An input, and where its outputs go."""

    source: str
    base: str
    """Path without suffix."""
    kind: str = ""
    """What the input is, of `pstmo_core.lift.input_kinds`; empty where it cannot be lifted."""

    @property
    def shown(self) -> str:
        """The input as messages name it."""
        return input_kinds.without_password(self.source)

    def beside(self, end: str) -> Path:
        """Return the path of an output by its end, a suffix."""
        base = Path(self.base)
        return base.with_name(base.name + end)

    @property
    def overlay(self) -> Path:
        """Path of the overlay: a video, or of a single image a picture."""
        return self.beside(OVERLAYS[self.kind == input_kinds.IMAGE])

    def outputs(self, formats: Iterable[str], overlay: bool = False) -> list[Path]:
        """Return all that may be written, with BVH as of one person."""
        ends = [suffix for suffix, name in FORMATS.items() if name in set(formats) - BAGS]
        ends += [KEYPOINTS] if self.kind in input_kinds.WITH_IMAGES else []
        bag = [Path(self.base)] if BAGS & set(formats) else []
        drawn = [self.overlay] if overlay else []
        return [*map(self.beside, [*ends, LEDGER]), *drawn, *bag]


def plan(inputs: list[str], output: Path, formats: list[str]) -> tuple[list[Job], tuple[str, ...]]:
    """Say which input becomes which files, and in which formats.

    One input becomes OUTPUT with the formats' suffixes. Several, or one where OUTPUT is a folder
    that is there, become files in the folder OUTPUT, named as they are.

    Args:
        inputs: files, folders, cameras.
        output: what the user named; its suffix is a format if none is given.
        formats: what the user asked for.

    Raises:
        PstmoError: if outputs would overwrite one another or an input, or no format is known.
    """
    if output.exists() and not (output.is_dir() or output.is_file()):
        raise LiftError(f"{output}: is a device or a pipe; name a file or a folder")
    kinds = [_kind(name) for name in inputs]
    kind = FORMATS.get(output.suffix.lower())
    formats = formats or ([kind] if kind else _same_as(inputs, kinds))
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
    jobs = [
        Job(name, str(output / _stem(name) if into else base), kind)
        for name, kind in zip(inputs, kinds, strict=True)
    ]
    check(jobs, formats)
    return jobs, tuple(dict.fromkeys(formats))


def check(jobs: list[Job], formats: Iterable[str]) -> None:
    """Check that no output of a job is an input, or that of another job.

    Raises:
        PstmoError: if one is, or has a name that no file can have.
    """
    formats = set(formats)
    read = [job.source for job in jobs]
    owners: dict[str, Job] = {}
    for job in jobs:
        for path in job.outputs(formats, overlay=True):
            if len(os.fsencode(path.name)) > LONGEST_NAME:
                raise LiftError(f"{path.name}: is too long a name for a file; name another output")
            refuse_inputs(path, read)
            if path == Path(job.base) and path.exists() and not is_skeleton_bag(path):
                raise LiftError(
                    f"{path}: exists and is not a bag of skeletons; name another output"
                )
            # Names that differ in capitals only are one on some file systems.
            other = owners.setdefault(str(path).casefold(), job)
            if other is not job:
                raise LiftError(
                    f"{other.source} and {job.source} would both become {path}: lift them into two "
                    "folders"
                )
    if "bvh" in formats:
        _check_people(jobs)


def _check_people(jobs: list[Job]) -> None:
    """Refuse a.npz beside a.b.npz: somebody of the first who is named b would be the second."""
    bases = sorted(jobs, key=lambda job: job.base.casefold())
    for first, second in itertools.pairwise(bases):
        if second.base.casefold().startswith(first.base.casefold() + "."):
            raise LiftError(
                f"{first.source} and {second.source} could both become {second.base}.bvh: lift "
                "them into two folders"
            )


def _kind(name: str) -> str:
    try:
        return input_kinds.kind_of(name)
    except PstmoError:
        return ""  # an error of its own job, when its turn has come


def _same_as(inputs: list[str], kinds: list[str]) -> list[str]:
    """Return a bag's storage where the inputs are bags and nothing else was said."""
    return [bag_reader.storage_of(Path(inputs[0]))] if set(kinds) == {input_kinds.BAG} else []


def _stem(source: str) -> str:
    path = Path(source)
    if "://" in source:
        return "stream"
    if source.isdecimal() and not path.exists():
        return f"camera{source}"
    return path.stem if path.is_file() else path.resolve().name
