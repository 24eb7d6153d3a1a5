"""The interface of every runtime of STMO-Live."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from pstmo_core.model.live.config import LiveConfig
from pstmo_core.runtime.base import LoadedNetwork
from pstmo_core.runtime.live.memory import LiveMemory


class LiveRuntime(LoadedNetwork):
    """A loaded network that lifts people frame by frame."""

    config: LiveConfig

    def memory(self, people: int) -> LiveMemory:
        """Make an empty memory for a number of people."""
        return LiveMemory(self.config, people)

    @abstractmethod
    def read(
        self,
        frames: np.ndarray,
        dt: np.ndarray,
        memory: LiveMemory,
        rows: np.ndarray,
        heads: Sequence[int] = (0,),
        keep: bool = True,
    ) -> np.ndarray:
        """Lift F more frames of each of some people, and remember them.

        Args:
            frames: (R, F, rows, channels) float32, encoded as `config.encoding` says; R and F are
                at least 1.
            dt: (R, F) float32 seconds since the person's previous frame; of a first one, any.
            memory: what is known of people.
            rows: (R,) whose frames they are; each once.
            heads: which of `config.look_aheads` are wanted; others cost nothing.
            keep: False forgets the frames again: each is lifted as if it came alone after those
                in memory, `dt` seconds after the last of them.

        Returns:
            Poses (R, F, len(heads), 17, 4): x, y, z in metres relative to the pelvis, in the frame
            that the encoding means for the frame in question, and log sigma.
        """
