"""What people's places rest on and how uncertain they are, in a line for diagnostics."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from pstmo_core.room.root_fusion import RootSource
from pstmo_ros.msg import Skeletons3D


def describe_places(message: Skeletons3D) -> str:
    """Say by source how many people of a message have a place, and the deviation of the farthest.

    For example: floor 2 (0.08 m), assumed 1 (0.21 m). Empty if nobody has a place.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for person in message.people:
        if person.root_source != person.ROOT_NONE:
            covariance = np.reshape(person.root_covariance, (3, 3))
            name = RootSource(person.root_source).name.lower()
            found[name].append(float(np.sqrt(max(np.trace(covariance), 0.0))))
    return ", ".join(
        f"{source} {len(sigmas)} ({max(sigmas):.2f} m)" for source, sigmas in sorted(found.items())
    )
