"""A skeleton as an ASF file, and motion of it as AMC files, in CMU's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

UNIT = 0.0254 / 0.45
"""Metres of CMU's unit."""
THIGH, SHIN = 0.42, 0.4
#: Bone: parent, metres, direction, degrees of freedom.
BONES: dict[str, tuple[str, float, tuple[int, int, int], str]] = {
    "lowerback": ("root", 0.12, (0, 1, 0), "rx ry rz"),
    "upperback": ("lowerback", 0.12, (0, 1, 0), "rx"),
    "thorax": ("upperback", 0.12, (0, 1, 0), ""),
    "lowerneck": ("thorax", 0.1, (0, 1, 0), ""),
    "upperneck": ("lowerneck", 0.1, (0, 1, 0), ""),
    "head": ("upperneck", 0.1, (0, 1, 0), ""),
    **{
        side + bone: (parent if parent in ("root", "thorax") else side + parent, length, direction,
                      dof)
        for side, out in (("l", 1), ("r", -1))
        for bone, parent, length, direction, dof in (
            ("hipjoint", "root", 0.1, (out, 0, 0), ""),
            ("femur", "hipjoint", THIGH, (0, -1, 0), "rx ry rz"),
            ("tibia", "femur", SHIN, (0, -1, 0), "rx"),
            ("clavicle", "thorax", 0.18, (out, 0, 0), ""),
            ("humerus", "clavicle", 0.3, (out, 0, 0), "rx ry rz"),
            ("radius", "humerus", 0.15, (out, 0, 0), "rx"),
            ("wrist", "radius", 0.1, (out, 0, 0), ""),
        )
    },
}  # fmt: skip


def asf_text() -> str:
    """Return the skeleton: its joints turn about the axes of the world, the arms stretched out."""
    lines = [":version 1.10", ":units", "  mass 1.0", "  length 0.45", "  angle deg",
             ":root", "  order TX TY TZ RX RY RZ", "  axis XYZ", "  position 0 0 0",
             "  orientation 0 0 0", ":bonedata"]  # fmt: skip
    for name, (_, length, direction, dof) in BONES.items():
        lines += ["  begin", f"    name {name}", f"    direction {' '.join(map(str, direction))}",
                  f"    length {length / UNIT:.6f}", "    axis 0 0 0 XYZ"]  # fmt: skip
        lines += [f"    dof {dof}"] if dof else []
        lines += ["  end"]
    lines += [":hierarchy", "  begin"]
    lines += [f"    {parent} {name}" for name, (parent, *_) in BONES.items()]
    return "\n".join([*lines, "  end", ""])


def amc_text(frames: int, angles: Mapping[str, Sequence[float]]) -> str:
    """Return motion that walks along z by 1 cm a frame, with joints bent all the time.

    Args:
        frames: how many.
        angles: bone -> degrees, as many as it has degrees of freedom.
    """
    lines = ["#!Made by a test", ":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(frames):
        lines += [str(frame + 1), f"root 0 {0.9 / UNIT:.6f} {0.01 * frame / UNIT:.6f} 0 0 0"]
        for name, (*_, dof) in BONES.items():
            if dof:
                values = angles.get(name, [0.0] * len(dof.split()))
                lines.append(" ".join([name, *(f"{value:g}" for value in values)]))
    return "\n".join([*lines, ""])
