"""Diagnostics of floor and depth image: residuals, and what to check if they are implausible."""

from __future__ import annotations

from pstmo_core.room.root_fusion import SHORTEST, TALLEST
from pstmo_core.room.size_health import Agreement, SizeHealth

#: Relative difference of two sources above which one of them must be wrong.
_APART = 0.12
#: Metres between which the median height of people who stand must lie; children are people.
_HEIGHTS = 0.9, 2.2
_CHECKS = {
    "floor": "the camera's height and tilt in TF (or tilt and mounting_height), floor_height, and "
    "the calibration",
    "depth image": "that it is registered to the colour image and in the units of its encoding, "
    "and the calibration",
}


def describe_sizes(health: SizeHealth) -> list[tuple[str, str]]:
    """Return keys and values: how far each source's readings are from what is known of people."""
    values = [
        (f"residuals of the {name}", _described(agreement))
        for name, agreement in (("floor", health.floor), ("depth image", health.depth))
    ]
    height = "not known" if health.height != health.height else f"{health.height:.2f}"
    return [*values, ("median height of people (m)", height)]


def doubt_sizes(health: SizeHealth) -> str:
    """Say what is wrong with the sources and what to do about it; empty if nothing is."""
    for name, told in (("floor", health.floor), ("depth image", health.depth)):
        if told is not None and told.refused > 0.5:
            return (
                f"most readings of the {name} are not used, for they make people shorter than "
                f"{SHORTEST} m or taller than {TALLEST} m: check {_CHECKS[name]}"
            )
    apart = health.disagreement
    if abs(apart) > _APART:
        return (
            f"the floor makes people {abs(apart):.0%} {'larger' if apart > 0 else 'smaller'} than "
            "the depth image: check the camera's height and tilt in TF (or tilt and "
            "mounting_height), floor_height, and that the depth image is registered to the colour "
            "image"
        )
    low, high = _HEIGHTS
    if low <= health.height <= high or health.height != health.height:
        return ""
    source = "depth image" if health.floor is None else "floor"
    return f"people are {health.height:.1f} m tall by the {source}: check {_CHECKS[source]}"


def _described(agreement: Agreement | None) -> str:
    if agreement is None:
        return "silent"
    return f"{agreement.bias:+.1%} on average, {agreement.spread:.1%} RMS"
