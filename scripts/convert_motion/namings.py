"""From the bones of a file to the project's 17 joints, by the names of the bones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from bones import MotionError, Recording, plain, read_text

from pstmo_core.errors import names_known, quoted
from pstmo_core.skeleton import JOINT_NAMES

#: A place on the skeleton: a bone's end, or a share of the way from one bone's end to another's.
Place = tuple[str] | tuple[str, str, float]
_MOST_BYTES = 1 << 16  # of a table of names; one has 500
_MOST_SHOWN = 60  # bones that an error names


def _both_sides(places: Mapping[str, str], left: str, right: str) -> dict[str, Place]:
    """Joints of both sides from names in which `*` stands for the side."""
    return {
        short + joint: (name.replace("*", side),)
        for short, side in (("l", left), ("r", right))
        for joint, name in places.items()
    }


_HUMAN_IK = _both_sides(
    {
        "hip": "*upleg", "knee": "*leg", "ankle": "*foot",
        "shoulder": "*arm", "elbow": "*forearm", "wrist": "*hand",
    },
    "left", "right",
)  # fmt: skip

#: Name of a naming of bones -> joint -> place. Names are in lower case, without prefix or `_`; a
#: bone of a BVH file ends, for this table, in the joint that it is named after, and an end site is
#: `<joint>end`. The first naming fits of which a file has all bones.
NAMINGS: dict[str, dict[str, Place]] = {
    "asf": {
        **_both_sides(
            {
                "hip": "*hipjoint", "knee": "*femur", "ankle": "*tibia",
                "shoulder": "*clavicle", "elbow": "*humerus", "wrist": "*wrist",
            },
            "l", "r",
        ),
        "spine": ("lowerback", "upperback", 0.4),
        "thorax": ("lowerneck",), "neck_nose": ("upperneck",), "head": ("head",),
    },
    "cgspeed": {  # the BVH conversion of CMU's files, and what was exported from it again
        **_HUMAN_IK,
        "lwrist": ("leftfingerbase",), "rwrist": ("rightfingerbase",),
        "spine": ("spine", "spine1", 0.4),
        "thorax": ("neck1",), "neck_nose": ("head",), "head": ("headend",),
    },
    "mixamo": {
        **_HUMAN_IK,
        "spine": ("spine", "spine1", 0.65),
        "thorax": ("neck",), "neck_nose": ("head",), "head": ("head", "headtopend", 0.55),
    },
    "motionbuilder": {
        **_HUMAN_IK,
        "spine": ("spine", "spine1", 0.4),
        "thorax": ("neck",), "neck_nose": ("head",), "head": ("head", "headend", 0.65),
    },
    "xsens": {
        **_both_sides(
            {
                "hip": "*hip", "knee": "*knee", "ankle": "*ankle",
                "shoulder": "*shoulder", "elbow": "*elbow", "wrist": "*wrist",
            },
            "left", "right",
        ),
        "spine": ("chest", "chest2", 0.6),
        "thorax": ("neck",), "neck_nose": ("head",), "head": ("head", "headend", 0.65),
    },
    "pstmo": {  # the animations that `pstmo lift` writes
        **_both_sides(
            {
                "hip": "*hip", "knee": "*knee", "ankle": "*kneeend",
                "shoulder": "*shoulder", "elbow": "*elbow", "wrist": "*elbowend",
            },
            "l", "r",
        ),
        "spine": ("spine",),
        "thorax": ("thorax",), "neck_nose": ("necknose",), "head": ("necknoseend",),
    },
}  # fmt: skip


def joints_of(recording: Recording, naming: Mapping[str, Place] | None = None) -> np.ndarray:
    """Return the 17 joints (F, 17, 3) in the units and axes of the file.

    Args:
        recording: the bones.
        naming: which bones are which joints; None finds one of `NAMINGS`.

    Raises:
        MotionError: if the bones have names that no naming knows.
    """
    bones = recording.places
    naming = naming or naming_of(set(bones))
    if missing := sorted(_bones_in(naming) - set(bones)):
        known = names_known(missing[0], sorted(bones)[:_MOST_SHOWN])
        raise MotionError(f"has no bone {quoted(missing[0])}, which --names names: {known}")
    joints = np.zeros((len(next(iter(bones.values()))), len(JOINT_NAMES), 3))
    for index, joint in enumerate(JOINT_NAMES[1:], 1):
        place = naming[joint]
        joints[:, index] = bones[place[0]]
        if len(place) == 3:
            joints[:, index] += place[2] * (bones[place[1]] - joints[:, index])
    hips = [JOINT_NAMES.index("lhip"), JOINT_NAMES.index("rhip")]
    joints[:, 0] = joints[:, hips].mean(1)
    return joints


def fits(bones: set[str], naming: Mapping[str, Place]) -> bool:
    """Tell whether all bones of a naming are there."""
    return _bones_in(naming) <= bones


def naming_of(bones: set[str]) -> dict[str, Place]:
    """Return the first of NAMINGS of which all bones are there.

    Raises:
        MotionError: if there is none; says which bones the nearest one needs.
    """
    for naming in NAMINGS.values():
        if fits(bones, naming):
            return naming
    near = min(NAMINGS, key=lambda name: len(_bones_in(NAMINGS[name]) - bones))
    raise MotionError(
        f"its bones are {_listed(bones)}; the nearest naming, {near}, needs "
        f"{_listed(_bones_in(NAMINGS[near]) - bones)} as well: "
        "say with --names which bones are which joints (--help shows the format)"
    )


def read_names(path: Path) -> dict[str, Place]:
    """Read a naming of bones: joint -> a bone, or [a bone, another bone, share of the way].

    Raises:
        MotionError: if it is not such a table.
    """
    try:
        given = json.loads(read_text(path, _MOST_BYTES))
        naming = {
            joint: (plain(p),) if isinstance(p, str) else (plain(p[0]), plain(p[1]), float(p[2]))
            for joint, p in given.items()
        }
    except MotionError:
        raise
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise MotionError(f"{path}: is not a table of joints and bones ({error})") from error
    for joint in naming:
        if joint not in JOINT_NAMES:
            raise MotionError(f"{path}: joint {quoted(joint)}: {names_known(joint, JOINT_NAMES)}")
    if missing := sorted(set(JOINT_NAMES[1:]) - set(naming)):
        raise MotionError(f"{path}: has no bone for {', '.join(missing)}")
    return naming


def _bones_in(naming: Mapping[str, Place]) -> set[str]:
    return {name for place in naming.values() for name in place[:2] if isinstance(name, str)}


def _listed(names: Iterable[str]) -> str:
    shown = sorted(name[:_MOST_SHOWN] for name in names)
    more = f" and {len(shown) - _MOST_SHOWN} more" if len(shown) > _MOST_SHOWN else ""
    return ", ".join(shown[:_MOST_SHOWN]) + more
