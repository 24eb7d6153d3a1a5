"""Rearranges the arguments of `Runtime.step` for the step graph, or gathers their windows."""

from __future__ import annotations

import numpy as np


def step_inputs(
    fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None
) -> dict[str, np.ndarray]:
    """Return the inputs of the step graph by name: those of `Runtime.step`, rearranged.

    In the result, `index` (B, F) refers to kept rows only. `place` (M,) lists the positions in the
    windows (counted through all of them) at which new frames stand, and `source` (M,) which of the
    new frames these are. So the graph gathers windows from `kept` and then writes the few new rows
    into them; appending the new rows to `kept` would copy all of it. `frame` is (1,), and left out
    if it is None.
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
        A row for each moment of the windows (B F, W), of any content where a new frame belongs;
        and the index (B, F) of `Runtime.step` into these.
    """
    if not len(kept):
        return kept, index
    gathered = kept[np.minimum(index, len(kept) - 1).ravel()]
    places = np.arange(index.size).reshape(index.shape)
    return gathered, np.where(index < len(kept), places, index - len(kept) + index.size)
