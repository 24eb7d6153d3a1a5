"""Reads BVH files: a hierarchy of bones and their motion in one text."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from bones import (
    FASTEST,
    SLOWEST,
    Bone,
    MotionError,
    Recording,
    moved,
    number,
    plain,
    require_possible,
    turns,
)
from namings import NAMINGS, fits


def parse_bvh(text: str) -> Recording:
    """Convert the text of a BVH file.

    Raises:
        MotionError: if something is missing in it or too large.
        ValueError, IndexError, StopIteration: if it breaks off, or has words for numbers.
    """
    hierarchy, found, motion = text.partition("MOTION")
    head = re.search(r"Frames:\s*(\d+)\s*Frame Time:\s*([\d.eE+-]+)", motion)
    if not found or head is None:
        raise MotionError("has no line MOTION with Frames and Frame Time after it")
    bones = _restored(_bones(hierarchy))
    values = _values(motion[head.end() :], int(head[1]), bones)
    return Recording(
        _places(bones, values), _whole_rate(float(head[2])), _resting_frames(bones, values)
    )


def _values(text: str, frames: int, bones: list[Bone]) -> np.ndarray:
    """Numbers (F, channels) of all frames."""
    require_possible(frames, bones)
    words = text.split()
    width = sum(len(bone.channels) for bone in bones)
    if width == 0 or len(words) < width or len(words) % width:
        raise MotionError(
            f"{len(words)} numbers are in its MOTION, which is not a multiple of its {width} "
            "channels: is it cut off?"
        )
    there = len(words) // width
    if there < frames:
        raise MotionError(
            f"it should have {frames} frames, but {there} are there: is it cut off? "
            f"To convert these, write Frames: {there} in it"
        )
    require_possible(there, bones)
    values = np.array(words, dtype=np.float64).reshape(-1, width)
    if len(broken := np.flatnonzero(~np.isfinite(values).all(1))):
        raise MotionError(f"frame {broken[0] + 1} has a number that is NaN or infinite")
    return values


def _whole_rate(seconds: float) -> float:
    """Return the whole rate that a rounded frame time stands for."""
    fps = 1 / seconds if seconds > 0 else 0.0
    if not SLOWEST <= fps <= FASTEST:
        raise MotionError(
            f"its Frame Time is {seconds:g} s, but must be between {1 / FASTEST} and {1 / SLOWEST}"
        )
    return float(round(fps)) if abs(fps - round(fps)) < 0.02 * fps / 60 else fps


def _resting_frames(bones: list[Bone], values: np.ndarray) -> int:
    """Count the frames at the beginning that show the rest pose."""
    first = len(bones[0].channels)
    rotate = [channel.startswith("r") for bone in bones[1:] for channel in bone.channels]
    still = ~values[:, first:][:, rotate].any(1)
    resting = int(np.argmin(still)) if not still.all() else 0
    return max(resting, 1) if fits({bone.name for bone in bones}, NAMINGS["cgspeed"]) else resting


def _places(bones: list[Bone], values: np.ndarray) -> dict[str, np.ndarray]:
    """Bone -> where it ends (F, 3)."""
    places: dict[str, np.ndarray] = {}
    rotations: dict[int, np.ndarray] = {}
    begin = 0
    for index, bone in enumerate(bones):
        own = values[:, begin : begin + len(bone.channels)]
        begin += len(bone.channels)
        # Positions that move replace the offset: files repeat the place of the first frame there.
        moves = {"tx", "ty", "tz"} <= set(bone.channels)
        local = moved(bone, own) if moves else np.broadcast_to(bone.offset, (len(own), 3))
        if bone.parent < 0:
            place, turned = local, turns(bone, own)
        else:
            parent = rotations[bone.parent]
            place = places[bones[bone.parent].name] + (parent @ local[..., None])[..., 0]
            turned = parent @ turns(bone, own)
        places[bone.name], rotations[index] = place, turned
    return places


def _bones(hierarchy: str) -> list[Bone]:
    """Bones in the order of their channels, with end sites."""
    bones: list[Bone] = []
    open_bones: list[int] = []
    words, name = iter(hierarchy.split()), ""
    for word in words:
        if word in ("ROOT", "JOINT"):
            name = plain(next(words))
        elif word == "End":
            name = bones[open_bones[-1]].name + "end"
        elif word == "{":
            if not name:
                raise MotionError("has a bone without a name")
            parent = open_bones[-1] if open_bones else -1
            open_bones.append(len(bones))
            bones.append(Bone(name, parent, np.zeros(3)))
        elif word == "}":
            open_bones.pop()
        elif word in ("OFFSET", "CHANNELS"):
            bone = bones[open_bones[-1]]
            if word == "OFFSET":
                bone = replace(bone, offset=np.array([number(next(words)) for _ in range(3)]))
            else:
                names = [next(words) for _ in range(int(next(words)))]
                bone = replace(bone, channels=tuple(map(_channel, names)))
            bones[open_bones[-1]] = bone
    if not bones:
        raise MotionError("has no ROOT")
    return bones


def _channel(name: str) -> str:
    if not re.fullmatch(r"[xyz](position|rotation)", name.lower()):
        raise MotionError(f"channel {name[:64]!r} is not one of Xposition ... Zrotation")
    return ("t" if name.lower().endswith("position") else "r") + name[0].lower()


def _restored(bones: list[Bone]) -> list[Bone]:
    """Put back two bones that the cgspeed conversion of CMU's files leaves out (length 0).

    The segment of the wrist is half as long as the forearm in every ASF file, that between back and
    collar 1.01 times (0.996 to 1.04) as long as the upper back.
    """
    of = {bone.name: bone.offset for bone in bones}
    if not fits(set(of), NAMINGS["cgspeed"]):
        return bones
    missing = {
        "leftfingerbase": 0.5 * of["lefthand"], "lthumb": 0.5 * of["lefthand"],
        "rightfingerbase": 0.5 * of["righthand"], "rthumb": 0.5 * of["righthand"],
        **dict.fromkeys(("neck", "leftshoulder", "rightshoulder"), 1.01 * of["spine1"]),
    }  # fmt: skip
    nothing = 0.02 * np.linalg.norm(of["spine1"])
    return [
        replace(bone, offset=missing[bone.name])
        if bone.name in missing and np.linalg.norm(bone.offset) < nothing
        else bone
        for bone in bones
    ]
