"""The sources of root positions and their uncertainty, in one line for diagnostics."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from pstmo_core.room.root_fusion import RootSource
from pstmo_ros.msg import Skeletons3D


def describe_roots(message: Skeletons3D) -> str:
    """Say for each source how many root positions it gave, and their largest deviation.

    For example: floor 2 (0.08 m), assumed 1 (0.21 m). Empty without root positions.
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
