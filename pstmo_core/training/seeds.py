"""Seeds of everything random in a run, mixed from what it belongs to.

No random state is carried from step to step. So interrupted runs resume bit-exactly, and any number
of processes sees the same batches.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Use(IntEnum):
    """What a seed is for; seeds of different uses have nothing to do with one another."""

    WINDOWS = 0
    """Which windows a step trains on, and what is done to them."""
    MASKS = 1
    """What stage I hides of them."""
    NETWORK = 2
    """Dropout."""


def mixed_seed(seed: int, use: Use, *numbers: int) -> int:
    """Mix a run's seed with numbers such as the step into a seed of 63 bits.

    Args:
        seed: the run's, at least 0.
        use: what the result is for.
        numbers: what else it belongs to, each at least 0.
    """
    entropy = [seed, int(use), *numbers]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
