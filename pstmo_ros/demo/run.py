"""A run of the demonstration: keypoints sent, skeletons received, and figures from both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pstmo_core.atomic_files import atomic_file
from pstmo_core.keypoints.clip import Clip
from pstmo_core.skeleton import JOINTS


@dataclass(frozen=True)
class DemoRun:
    """Keypoint frames that were sent and skeletons that answered them. Stamps are int64 ns."""

    sent: np.ndarray
    """(N,) stamps of the keypoint messages with people."""
    answered: np.ndarray
    """(M,) stamps of the target frames of the skeleton messages with people."""
    newest: np.ndarray
    """(M,) stamps of the newest input that each used."""
    received: np.ndarray
    """(M,) when each arrived here."""
    message: np.ndarray
    """(K,) which of the M messages each skeleton came in."""
    ids: np.ndarray
    """(K,) text, whose it is."""
    joints: np.ndarray
    """(K, 17, 3) float32 metres relative to the pelvis."""

    @property
    def share_answered(self) -> float:
        """Share of the keypoint frames with people that were answered with people."""
        return float(np.isin(self.sent, self.answered).mean()) if len(self.sent) else 0.0

    @property
    def rate(self) -> float:
        """Skeleton messages per second, NaN with fewer than two."""
        if len(self.received) < 2:
            return float("nan")
        return (len(self.received) - 1) / (int(self.received[-1] - self.received[0]) / 1e9)

    @property
    def latency(self) -> np.ndarray:
        """Seconds (M,) from an input's stamp to the arrival of what came of it.

        Sound only where the stamps are of this machine's clock, as the player's are.
        """
        return (self.received - self.newest) / 1e9

    def joints_of(self, clip: Clip) -> np.ndarray:
        """Return the skeletons in the clip's frames, (F, P, 17, 3), NaN where there is none.

        Args:
            clip: what the player played, from its first to its last frame.

        Raises:
            ValueError: if not every frame of the clip was heard, so that none can be named.
        """
        people = np.flatnonzero(clip.present(slice(None)).any(-1))
        if len(people) != len(self.sent):
            raise ValueError(
                f"the recorder heard {len(self.sent)} of {len(people)} frames with people"
            )
        result = np.full((len(clip.stamps), len(clip.ids), JOINTS, 3), np.nan, np.float32)
        frame_of = dict(zip(self.sent.tolist(), people.tolist(), strict=True))
        rows = np.array([frame_of[stamp] for stamp in self.answered.tolist()], np.intp)
        column_of = {name: column for column, name in enumerate(clip.ids)}
        columns = np.array([column_of[name] for name in self.ids.tolist()], np.intp)
        result[rows[self.message], columns] = self.joints
        return result

    def save(self, path: Path) -> None:
        """Write an npz with one array a field."""
        with atomic_file(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **vars(self))

    @classmethod
    def load(cls, path: Path) -> DemoRun:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**arrays)
