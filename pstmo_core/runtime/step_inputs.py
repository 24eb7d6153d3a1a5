"""What `Runtime.step` is given, as the step graph takes it, and windows gathered beforehand."""

from __future__ import annotations

import numpy as np


def step_inputs(
    fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None
) -> dict[str, np.ndarray]:
    """Return the inputs of the step graph by name: those of `Runtime.step`, rearranged.

    `index` (B, F) is then of kept rows alone; the M places of windows that a new frame takes are
    `place` (M,), counted through all windows, and `source` (M,) says which of the new frames it is.
    So the graph gathers the windows from `kept` in place and then writes the few new rows, where
    to append these to `kept` would copy it all. `frame` is (1,), and left out if it is None.
    """
    if not len(kept):  # nothing can be gathered from nothing
        kept, index = np.zeros((1, kept.shape[1]), np.float32), index + 1
    place = np.flatnonzero(index >= len(kept))
    inputs = {
        "fresh": fresh,
        "kept": kept,
        "index": np.minimum(index, len(kept) - 1),
        "place": place,
        "source": index.ravel()[place] - len(kept),
    }
    return inputs if frame is None else inputs | {"frame": np.array([frame], np.int64)}


def in_order(kept: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gather the rows that windows take, for backends that cannot index `kept`.

    Returns:
        A row for each place of the windows (B F, W), of any content where a new frame belongs; and
        the index (B, F) of `Runtime.step` into these.
    """
    if not len(kept):
        return kept, index
    gathered = kept[np.minimum(index, len(kept) - 1).ravel()]
    places = np.arange(index.size).reshape(index.shape)
    return gathered, np.where(index < len(kept), places, index - len(kept) + index.size)
