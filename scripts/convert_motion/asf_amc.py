"""Reads AMC files, motion in the order of time, with the skeletons of ASF files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from bones import Bone, MotionError, Recording, moved, number, require_possible, rotation, turns

MOST_BYTES_OF_ASF = 1 << 18
"""An ASF file has about 8 kB."""


def parse_amc(skeleton: str, motion: str, fps: float = 120.0) -> Recording:
    """Convert the texts of an ASF file and of an AMC file, which does not say its frame rate.

    Raises:
        MotionError: if something is missing in them or too large.
        ValueError, IndexError, KeyError: if they break off, or have words for numbers.
    """
    bones, degrees = _bones(skeleton)
    values = _values(motion)
    if "root" not in values:
        raise MotionError("its frames have no line for the root")
    frames = len(values["root"])
    require_possible(frames, bones)
    places: dict[str, np.ndarray] = {}
    rotations: dict[int, np.ndarray] = {}
    for index, bone in enumerate(bones):
        own = _own_values(bone, values, frames)
        own = own * [1 if c[0] == "t" or degrees else 180 / np.pi for c in bone.channels]
        turned = bone.axes @ turns(bone, own) @ bone.axes.T
        if bone.parent < 0:
            places[bone.name], rotations[index] = moved(bone, own) + bone.offset, turned
        else:
            rotations[index] = rotations[bone.parent] @ turned
            places[bone.name] = places[bones[bone.parent].name] + rotations[index] @ bone.offset
    return Recording(places, fps)


def skeleton_of(path: Path) -> Path:
    """Return the ASF file in an AMC file's folder that fits its name best.

    Raises:
        MotionError: if none does.
    """
    found = sorted(p for p in path.parent.iterdir() if p.suffix.lower() == ".asf")
    fitting = [p for p in found if path.stem.lower().startswith(p.stem.lower())]
    if not fitting and len(found) != 1:
        raise MotionError(
            f"has {len(found)} ASF files beside it, none named after it: put the skeleton, such as "
            f"{path.stem.split('_')[0]}.asf, into {path.parent}"
        )
    return max(fitting, key=lambda p: len(p.stem)) if fitting else found[0]


def _own_values(bone: Bone, values: dict[str, np.ndarray], frames: int) -> np.ndarray:
    """Values (F, C) of a bone; none for one that the motion does not hold."""
    own = values.get(bone.name, np.zeros((frames, 0)))
    if own.shape[1] != len(bone.channels):
        raise MotionError(
            f"{bone.name} has {own.shape[1]} values in each frame, but {len(bone.channels)} in the "
            "ASF file: is that of another person?"
        )
    return own


def _bones(text: str) -> tuple[list[Bone], bool]:
    """Bones of an ASF file, parents first, and whether its angles are degrees."""
    text = re.sub(r"#.*", "", text).lower()
    part = dict(re.findall(r"^[ \t]*:(\w+)([^:]*)", text, re.MULTILINE))
    if missing := {"root", "bonedata", "hierarchy"} - set(part):
        raise MotionError(f"its ASF file has no section :{sorted(missing)[0]}")
    order = re.search(r"order\s+([a-z \t]+?)\s*$", part["root"], re.MULTILINE)
    found = {"root": Bone("root", -1, np.zeros(3), tuple(reversed(order[1].split()))
                          if order else ("rz", "ry", "rx", "tz", "ty", "tx"))}  # fmt: skip
    for block in part["bonedata"].split("begin")[1:]:
        if end := re.search(r"end\b", block):
            bone = _bone(block[: end.start()])
            found[bone.name] = bone
    bones, order_of = [found["root"]], {"root": 0}
    for line in part["hierarchy"].splitlines():
        parent, *children = line.split() or [""]
        if parent in ("", "begin", "end"):
            continue
        for child in children:
            if child not in found or parent not in order_of:
                unknown = child if child not in found else parent
                raise MotionError(f"its ASF file's hierarchy has an unknown bone {unknown[:64]!r}")
            order_of[child] = len(bones)
            bones.append(replace(found[child], parent=order_of[parent]))
    return bones, "rad" not in part.get("units", "")


def _bone(block: str) -> Bone:
    def numbers(key: str) -> list[float]:
        found = re.search(rf"\b{key}((?:\s+[-+\d.e]+)+)", block)
        if found is None:
            raise MotionError(f"a bone of its ASF file has no {key}")
        return [number(word) for word in found[1].split()]

    name = re.search(r"\bname\s+(\S+)", block)
    channels = re.search(r"\bdof((?:\s+[rtl][xyz]?)+)\s*$", block, re.MULTILINE)
    axis, order = numbers("axis"), re.search(r"\baxis[^\n]*?([xyz]{3})", block)
    turn = np.eye(3)
    for angle, letter in zip(axis, order[1] if order else "xyz", strict=False):
        turn = rotation(letter, np.array([angle]))[0] @ turn
    return Bone(
        name[1] if name else "",
        -1,
        np.array(numbers("direction")) * numbers("length")[0],
        tuple(reversed(channels[1].split())) if channels else (),
        turn,
    )


def _values(text: str) -> dict[str, np.ndarray]:
    """Bone -> (F, values) of an AMC file, the last value first, as the rotations are applied."""
    lines = (line.strip() for line in text.lower().splitlines())
    words = " ".join(line for line in lines if line and line[0] not in "#:").split()
    starts = [i for i, word in enumerate(words) if word == "root"]
    if not starts or starts[0] == 0:
        raise MotionError("has no frame with a number and a line for the root")
    widths = np.diff([*starts, len(words) + starts[0]])
    width = int(widths[0])
    if widths[-1] < width and len(starts) > 1:  # the recording was stopped within a frame
        widths = widths[:-1]
    if np.any(widths != width):
        broken = int(np.argmax(widths != width)) + 1
        raise MotionError(f"frame {broken} has another number of values than the first")
    first = starts[0] - 1
    names = [i for i in range(1, width) if words[first + i][0].isalpha()]
    words = words[first : first + len(widths) * width]
    return {
        words[i]: _columns(words, range(i + 1, end), width)
        for i, end in zip(names, [*names[1:], width], strict=True)
    }


def _columns(words: list[str], columns: range, width: int) -> np.ndarray:
    """Return some columns of a table as numbers (F, columns), the last column first."""
    values = np.array([[float(word) for word in words[c::width]] for c in reversed(columns)])
    if not np.isfinite(values).all():
        frame = int(np.argmax(~np.isfinite(values).all(0))) + 1
        raise MotionError(f"frame {frame} has a number that is NaN or infinite")
    return values.reshape(len(columns), len(words) // width).T
