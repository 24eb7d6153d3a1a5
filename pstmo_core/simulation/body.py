"""The appearance of rendered people: limbs, trunk and head around the 17 joints, and colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.skeleton import JOINT_NAMES

_INDEX = {name: row for row, name in enumerate(JOINT_NAMES)}

#: Tapered limbs: first joint, second joint, radius at each in metres, and what they wear.
_LIMBS: tuple[tuple[str, str, float, float, str], ...] = (
    ("rhip", "rknee", 0.085, 0.060, "trousers"),
    ("rknee", "rankle", 0.058, 0.042, "shins"),
    ("lhip", "lknee", 0.085, 0.060, "trousers"),
    ("lknee", "lankle", 0.058, 0.042, "shins"),
    ("rhip", "lhip", 0.095, 0.095, "trousers"),
    ("hip", "spine", 0.120, 0.125, "shirt"),
    ("spine", "thorax", 0.130, 0.110, "shirt"),
    ("rshoulder", "lshoulder", 0.065, 0.065, "shirt"),
    ("rhip", "rshoulder", 0.075, 0.070, "shirt"),
    ("lhip", "lshoulder", 0.075, 0.070, "shirt"),
    ("thorax", "neck_nose", 0.052, 0.050, "skin"),
    ("rshoulder", "relbow", 0.055, 0.043, "sleeves"),
    ("relbow", "rwrist", 0.042, 0.032, "skin"),
    ("lshoulder", "lelbow", 0.055, 0.043, "sleeves"),
    ("lelbow", "lwrist", 0.042, 0.032, "skin"),
)
_HEAD_RADIUS, _FACE_RADIUS = 0.105, 0.075
_HAND_RADIUS, _FOOT_LENGTH, _FOOT_RADIUS = 0.045, 0.17, 0.038


@dataclass(frozen=True, eq=False)
class Look:
    """The colours (3,) BGR, 0 to 255, of one person's parts, and how stout the person is."""

    colours: dict[str, np.ndarray]
    stoutness: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Look:
        """Draw clothes, skin and hair."""
        skin = np.array([110, 150, 205]) * rng.uniform(0.35, 1.15)
        shirt, trousers = (rng.uniform(15, 235, 3) for _ in range(2))
        return cls(
            {
                "skin": np.minimum(skin, 250),
                "shirt": shirt,
                "sleeves": shirt if rng.random() < 0.6 else skin,
                "trousers": trousers,
                "shins": trousers if rng.random() < 0.7 else skin,
                "hair": np.array([30, 45, 65]) * rng.uniform(0.2, 2.2),
                "shoes": rng.uniform(10, 220, 3),
                "print": rng.uniform(15, 235, 3),
            },
            float(rng.uniform(0.85, 1.2)),
        )


@dataclass(frozen=True, eq=False)
class Parts:
    """Tapered capsules that make up people, in the frame of their joints."""

    first: np.ndarray
    """(N, 3) metres, one end."""
    second: np.ndarray
    """(N, 3) metres, the other end; the same for a ball."""
    radius: np.ndarray
    """(N, 2) metres, at either end."""
    colour: np.ndarray
    """(N, 3) BGR, 0 to 255."""

    @classmethod
    def join(cls, several: list[Parts]) -> Parts:
        """Put the parts of several people together."""
        fields = ("first", "second", "radius", "colour")
        return cls(*(np.concatenate([getattr(p, name) for p in several]) for name in fields))


def body_parts(joints: np.ndarray, look: Look) -> Parts:
    """Return the parts of a person with joints (17, 3) in metres, world (z up)."""
    at = {name: joints[row] for name, row in _INDEX.items()}
    forward = _unit(np.cross(at["lshoulder"] - at["rshoulder"], at["thorax"] - at["hip"]))
    rows = [
        (at[a], at[b], ra * look.stoutness, rb * look.stoutness, c) for a, b, ra, rb, c in _LIMBS
    ]
    for side in "lr":
        wrist, ankle = at[f"{side}wrist"], at[f"{side}ankle"]
        hand = wrist + 0.05 * _unit(wrist - at[f"{side}elbow"])
        rows.append((hand, hand, _HAND_RADIUS, _HAND_RADIUS, "skin"))
        toe = ankle + _FOOT_LENGTH * _flat(forward) - (0, 0, _FOOT_RADIUS)
        rows.append((ankle, toe, 1.2 * _FOOT_RADIUS, _FOOT_RADIUS, "shoes"))
    rows += _head_and_chest(at, forward, look)
    first, second, near, far, names = zip(*rows, strict=True)
    colour = np.stack([look.colours[name] for name in names])
    return Parts(np.stack(first), np.stack(second), np.stack([near, far], -1), colour)


def _head_and_chest(
    at: dict[str, np.ndarray], forward: np.ndarray, look: Look
) -> list[tuple[np.ndarray, np.ndarray, float, float, str]]:
    """Return what tells front from back: hair, a face before it and a print on the shirt."""
    up = _unit(at["head"] - at["neck_nose"])
    low, high = at["neck_nose"] + 0.04 * up, at["head"] - 0.06 * up
    face = 0.05 * forward
    chest = (at["spine"] + 2 * at["thorax"]) / 3 + 0.1 * look.stoutness * forward
    return [
        (low, high, _FACE_RADIUS, _HEAD_RADIUS, "hair"),
        (low + face, high - 0.05 * up + face, _FACE_RADIUS, _FACE_RADIUS, "skin"),
        (chest, chest - 0.12 * up, 0.05, 0.04, "print"),
    ]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _flat(vector: np.ndarray) -> np.ndarray:
    return _unit(vector * (1, 1, 0))
