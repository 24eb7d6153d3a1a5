"""Motion-capture files that are used together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from pstmo_core.data.motion.mocap import Mocap, MocapError, load_mocap

_log = logging.getLogger(__name__)


class MotionFiles:
    """Some motion-capture files. They are read when motion is first asked for, and once."""

    def __init__(self, paths: Sequence[Path | str]) -> None:
        self.paths = tuple(paths)

    @cached_property
    def motions(self) -> tuple[Mocap, ...]:
        """All clips of each file.

        Raises:
            MocapError: if one cannot be used.
        """
        return tuple(load_mocap(path) for path in self.paths)

    def of_split(
        self, split: str, replaced: Path | str = "", without_licences: Sequence[str] = ()
    ) -> Mocap:
        """Return one split of all files as one.

        Args:
            split: of `SPLITS`.
            replaced: a text file that names in its first column clips of the first file to leave
                out, such as those that another file has in better quality; lines with # are
                comments.
            without_licences: clips under these licences are left out. One that no clip of the files
                has, of any split, is logged: it may be misspelt.

        Raises:
            MocapError: if a file cannot be used, or names clips that are not there.
        """
        joined, *others = (motion.of_split(split) for motion in self.motions)
        if replaced:
            joined = joined.select(~np.isin(joined.clip, self._replaced(replaced)))
        for other in others:
            joined = joined.joined(other)
        known = {name for motion in self.motions for name in motion.licence.tolist()}
        for licence in sorted(set(without_licences) - known):
            _log.warning("no clip has the licence %r, which is to be left out", licence)
        return joined.select(~np.isin(joined.licence, list(without_licences)))

    def require(self, motion: Mocap, split: str, purpose: str) -> None:
        """Check that some motion is left of what the files hold.

        Args:
            motion: what was asked for.
            split: of `SPLITS`.
            purpose: what it is for, such as "on which training is judged".

        Raises:
            MocapError: if there is no clip.
        """
        if not len(motion.clip):
            raise MocapError(
                f"{', '.join(map(str, self.paths))}: no clip has the split {split}, {purpose}: "
                f"mark some people's clips (scripts/convert_motion --split {split}), or add a file "
                "that has such"
            )

    def _replaced(self, names: Path | str) -> list[str]:
        """Return which clips of the first file a text file names."""
        listed = _clip_list(names)
        if unknown := sorted(set(listed) - set(self.motions[0].clip.tolist())):
            raise MocapError(f"{names}: names clips that {self.paths[0]} has not: {unknown[:5]}")
        return listed


def _clip_list(path: Path | str) -> list[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MocapError(f"{path}: not a readable list of clips ({error})") from error
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
