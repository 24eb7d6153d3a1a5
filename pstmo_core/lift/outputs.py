"""Skeletons as files: npz, JSON, BVH; each whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.atomic_files import whole_file
from pstmo_core.lift.bvh import write_bvh
from pstmo_core.skeleton import EDGES, JOINT_NAMES
from pstmo_core.streaming.lift_clip import Prediction

#: Decimals of numbers in JSON: micrometres.
_DECIMALS = 6
_USUAL_RATE = 25.0


def write_npz(path: Path, prediction: Prediction) -> list[Path]:
    """Write what `pstmo predict` writes, and the places where they are known."""
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **prediction.arrays())  # type: ignore[arg-type]
    return [path]


def write_json(path: Path, prediction: Prediction) -> list[Path]:
    """Write one object with a list of frames, a line a frame; what is not known is null."""
    head = {
        "joint_names": JOINT_NAMES,
        "edges": EDGES,
        "axes": "x right, y down, z forward; metres, joints relative to the pelvis",
        "ids": prediction.ids,
    }
    with whole_file(path) as partial, partial.open("w") as file:
        file.write(json.dumps(head)[:-1] + ', "frames": [\n')
        for index, frame in enumerate(_frames(prediction)):
            file.write((",\n" if index else "") + json.dumps(frame, allow_nan=False))
        file.write("\n]}\n")
    return [path]


def write_bvh_files(base: Path, prediction: Prediction) -> list[Path]:
    """Write `BASE.bvh` for one person, else `BASE.ID.bvh` for each, on a steady frame rate.

    A frame is that whose stamp is nearest, and the time is that from the person's first frame to
    the last.
    """
    known = prediction.lifted
    complete = np.isfinite(prediction.joints).all((-2, -1))
    people = np.flatnonzero(complete.any(0)).tolist()
    rate = frame_rate(prediction.stamps)
    paths = []
    for person in people:
        there = np.flatnonzero(known[:, person])
        rows = _steady(prediction.stamps[there[0] : there[-1] + 1], rate) + there[0]
        name = "" if len(people) == 1 else f".{_file_name(prediction.ids[person])}"
        path = base.with_name(f"{base.name}{name}.bvh")
        path.parent.mkdir(parents=True, exist_ok=True)
        roots = prediction.roots[rows, person]
        write_bvh(path, prediction.joints[rows, person], rate, roots)
        paths.append(path)
    return paths


def frame_rate(stamps: np.ndarray) -> float:
    """Return the frames a second of stamps (F,) in nanoseconds: that of their median distance."""
    steps = np.diff(stamps)
    steps = steps[steps > 0]
    return min(1e9 / float(np.median(steps)), 1000.0) if len(steps) else _USUAL_RATE


def _steady(stamps: np.ndarray, rate: float) -> np.ndarray:
    """Return for each tick of a steady clock the row of the stamp (F,) that is nearest to it."""
    order = np.argsort(stamps, kind="stable")
    ordered = stamps[order]
    ticks = np.arange(round((ordered[-1] - ordered[0]) / 1e9 * rate) + 1) * (1e9 / rate)
    ticks = ordered[0] + np.rint(ticks).astype(np.int64)
    after = np.searchsorted(ordered, ticks).clip(1, max(1, len(ordered) - 1))
    if len(ordered) == 1:
        return np.zeros(len(ticks), np.intp)
    nearer = ticks - ordered[after - 1] < ordered[after] - ticks
    rows: np.ndarray = order[after - nearer]
    return rows


def _file_name(name: str) -> str:
    """Return an id as it can stand in a file's name."""
    return "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name)


def _frames(prediction: Prediction) -> Iterator[dict[str, Any]]:
    known = prediction.lifted
    for index, stamp in enumerate(prediction.stamps.tolist()):
        people = np.flatnonzero(known[index]).tolist()
        yield {
            "stamp": stamp / 1e9,
            "people": [_person(prediction, index, person) for person in people],
        }


def _person(prediction: Prediction, frame: int, person: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": prediction.ids[person],
        "joints": _numbers(prediction.joints[frame, person]),
        "confidence": _numbers(prediction.confidence[frame, person]),
        "observed": _numbers(prediction.observed[frame, person]),
    }
    if prediction.placed:
        fields["root"] = _numbers(prediction.roots[frame, person])
        fields["root_covariance"] = _numbers(prediction.root_covariance[frame, person])
    return fields


def _numbers(values: np.ndarray) -> Any:
    """Return nested lists of numbers; NaN becomes None."""
    rounded = np.array(np.round(values.astype(np.float64), _DECIMALS), dtype=object)
    rounded[~np.isfinite(values)] = None
    return rounded.tolist()
