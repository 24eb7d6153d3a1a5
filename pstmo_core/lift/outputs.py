"""Skeletons as files: npz, JSON, BVH; written atomically."""

from __future__ import annotations

import hashlib
import json
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.atomic_files import atomic_file
from pstmo_core.lift.bvh import is_bvh_of_ours, write_bvh
from pstmo_core.skeleton import EDGES, JOINT_NAMES, JOINTS
from pstmo_core.streaming.lift_clip import Prediction

#: Decimals of numbers in JSON: micrometres.
_DECIMALS = 6
#: How every JSON file begins.
_HEAD = {
    "joint_names": JOINT_NAMES,
    "edges": EDGES,
    "axes": "x right, y down, z forward; metres, joints relative to the pelvis",
}
_USUAL_RATE = 25.0
#: Nanoseconds without a frame that an animation shows as such; longer ones are cut to one tick. A
#: clock that was not set yet jumps by decades.
_LONGEST_PAUSE = 60 * 10**9
#: Ticks of an animation for each recorded frame; with more, all pauses are cut to one tick.
_MOST_TICKS = 200
#: Bytes of what stands for an id in a file's name.
_LONGEST_ID = 64
#: Members that every npz has.
_MEMBERS = {f"{name}.npy" for name in ("joints", "confidence", "observed", "ids", "joint_names")}


def write_npz(path: Path, prediction: Prediction) -> list[Path]:
    """Write the arrays of a prediction."""
    prediction.save(path)
    return [path]


def write_json(path: Path, prediction: Prediction) -> list[Path]:
    """Write one object with a list of frames, a line a frame; what is not known is null."""
    head = _HEAD | {"ids": prediction.ids}
    with atomic_file(path) as partial, partial.open("w") as file:
        file.write(json.dumps(head)[:-1] + ', "frames": [\n')
        for index, frame in enumerate(_frames(prediction)):
            file.write((",\n" if index else "") + json.dumps(frame, allow_nan=False))
        file.write("\n]}\n")
    return [path]


def is_output(path: Path) -> bool:
    """Tell by its content a file that this module wrote."""
    try:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as file:
                return set(file.namelist()) >= _MEMBERS
        if path.suffix == ".json":
            beginning = json.dumps(_HEAD)[:-1].encode()
            with path.open("rb") as file:
                return file.read(len(beginning)) == beginning
        return path.suffix == ".bvh" and is_bvh_of_ours(path)
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def write_bvh_files(
    base: Path, prediction: Prediction, check: Callable[[Path], object] = lambda path: None
) -> list[Path]:
    """Write `BASE.bvh` for one person, else `BASE.ID.bvh` for each, on a steady frame rate.

    A frame is that whose stamp is nearest, and the time is that from the person's first frame to
    the last. A pause of more than a minute, or a jump of the clock, is left out.

    Args:
        base: path without suffix.
        prediction: the skeletons.
        check: is called with each path before it is written, and raises if it may not be.

    Raises:
        PstmoError: if `check` does, or SciPy is not installed.
    """
    complete = np.isfinite(prediction.bodies.joints).all((-2, -1))
    people = np.unique(prediction.people[complete]).tolist()
    rate = frame_rate(prediction.stamps)
    names = file_names([prediction.ids[person] for person in people])
    paths = []
    for person, name in zip(people, names, strict=True):
        path = base.with_name(f"{base.name}{f'.{name}' if len(people) > 1 else ''}.bvh")
        check(path)
        joints, roots = _motion(prediction, person)
        first = prediction.frames[prediction.people == person][0]
        rows = _steady(prediction.stamps[first : first + len(joints)], rate)
        write_bvh(path, joints[rows], rate, roots[rows])
        paths.append(path)
    return paths


def _motion(prediction: Prediction, person: int) -> tuple[np.ndarray, np.ndarray]:
    """Return joints (f, 17, 3) and roots (f, 3) from the first frame to the last; NaN = absent."""
    own = np.flatnonzero(prediction.people == person)
    frames = prediction.frames[own] - prediction.frames[own[0]]
    joints = np.full((frames[-1] + 1, JOINTS, 3), np.nan, np.float32)
    roots = np.full((frames[-1] + 1, 3), np.nan)
    joints[frames], roots[frames] = prediction.bodies.joints[own], prediction.bodies.roots[own]
    return joints, roots


def frame_rate(stamps: np.ndarray) -> float:
    """Return the frames per second of stamps (F,) in nanoseconds: that of their median distance."""
    steps = np.diff(stamps)
    steps = steps[steps > 0]
    return min(1e9 / float(np.median(steps)), 1000.0) if len(steps) else _USUAL_RATE


def _steady(stamps: np.ndarray, rate: float) -> np.ndarray:
    """Return for each tick of a steady clock the row of the stamp (F,) that is nearest to it."""
    order = np.argsort(stamps, kind="stable")
    ordered = stamps[order]
    tick = 1e9 / rate
    steps = _cut_pauses(np.diff(ordered), round(tick))
    ordered = np.concatenate([[0], np.cumsum(steps)])
    ticks = np.rint(np.arange(round(ordered[-1] / tick) + 1) * tick).astype(np.int64)
    after = np.searchsorted(ordered, ticks).clip(1, max(1, len(ordered) - 1))
    if len(ordered) == 1:
        return np.zeros(len(ticks), np.intp)
    nearer = ticks - ordered[after - 1] < ordered[after] - ticks
    rows: np.ndarray = order[after - nearer]
    return rows


def _cut_pauses(steps: np.ndarray, tick: int) -> np.ndarray:
    """Shorten pauses among steps (F - 1,), in nanoseconds, so that the ticks are not too many."""
    steps = np.where(steps > _LONGEST_PAUSE, tick, steps)
    if steps.sum() > _MOST_TICKS * tick * (len(steps) + 1):
        steps = np.minimum(steps, tick)
    return steps


def file_names(ids: Sequence[str]) -> list[str]:
    """Return for each id what stands for it in a file's name: no two alike, and none too long.

    Signs that are no letter, digit, - or _ become _. Where that, the length or capitals would
    make two ids one, or the id is long, a part of the id's hash follows.
    """
    clean = [
        "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name) for name in ids
    ]
    # Names that differ in capitals or in how letters are composed are one on some file systems.
    count = Counter(unicodedata.normalize("NFKC", name).casefold() for name in clean)
    names = []
    for name, plain in zip(ids, clean, strict=True):
        alone = count[unicodedata.normalize("NFKC", plain).casefold()] == 1
        if alone and plain and len(plain.encode()) <= _LONGEST_ID:
            names.append(plain)
        else:
            short = plain.encode()[: _LONGEST_ID - 9].decode(errors="ignore")
            names.append(f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}")
    return names


def _frames(prediction: Prediction) -> Iterator[dict[str, Any]]:
    for index, stamp in enumerate(prediction.stamps.tolist()):
        people = [_person(prediction, row) for row in prediction.rows(index)]
        yield {"stamp": stamp / 1e9, "people": people}


def _person(prediction: Prediction, row: int) -> dict[str, Any]:
    bodies = prediction.bodies
    fields: dict[str, Any] = {
        "id": prediction.ids[int(prediction.people[row])],
        "joints": _numbers(bodies.joints[row]),
        "confidence": _numbers(bodies.confidence[row]),
        "observed": _numbers(bodies.observed[row]),
    }
    if prediction.says_sigma:
        fields["sigma"] = _numbers(bodies.sigma[row])
    if prediction.has_roots:
        fields["root"] = _numbers(bodies.roots[row])
        fields["root_covariance"] = _numbers(bodies.root_covariance[row])
    return fields


def _numbers(values: np.ndarray) -> Any:
    """Return nested lists of numbers; NaN becomes None."""
    rounded = np.array(np.round(values.astype(np.float64), _DECIMALS), dtype=object)
    rounded[~np.isfinite(values)] = None
    return rounded.tolist()
