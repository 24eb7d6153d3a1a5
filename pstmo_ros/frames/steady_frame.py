"""Finds the frame that does not move although the floor's does."""

from __future__ import annotations

import re

#: How REP-105 calls the frame in which a robot's base moves smoothly.
_ODOM = "odom"
_PARENT = re.compile(r"^(?P<frame>\S.*): *\n  parent: '(?P<parent>.*)'$", re.MULTILINE)


def find_steady_frame(frames: str, floor_frame: str, target_frame: str) -> str:
    """Return target_frame, or else odom, if floor_frame stands in it; empty if in neither.

    A target_frame below odom, such as base_link, moves with the robot and is none.

    Args:
        frames: all frames of TF with their parents, as tf2 prints them as YAML.
        floor_frame: the frame whose plane z = 0 is the floor.
        target_frame: the frame of the results; empty: the camera's.
    """
    parents = {found["frame"]: found["parent"] for found in _PARENT.finditer(frames)}
    above: list[str] = []
    frame = parents.get(floor_frame, "")
    while frame and frame not in above:
        above.append(frame)
        frame = parents.get(frame, "")
    odom = next((row for row, name in enumerate(above) if name.rsplit("/", 1)[-1] == _ODOM), None)
    if target_frame in above and above.index(target_frame) >= (odom or 0):
        return target_frame
    return "" if odom is None else above[odom]
