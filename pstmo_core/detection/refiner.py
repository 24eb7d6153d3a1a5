"""The network that looks at each person again: MoveNet lightning or thunder, or a file of a user.

Thunder is more accurate and slower. It is the default for recordings; a live detector takes it
where the machine is fast enough, which is measured once, when the detector is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pstmo_core.detection.base import DetectorError
from pstmo_core.detection.network_file import WEIGHTS
from pstmo_core.detection.options import AUTO, REFINERS, DetectorOptions
from pstmo_core.detection.single_pose import SinglePose

LIGHTNING, THUNDER = REFINERS
_FILES = {name: WEIGHTS / f"movenet_{name}.onnx" for name in REFINERS}
#: Images a second that thunder must leave, the share of the time that is the detector's (the rest
#: is for decoding, lifting and whatever else runs), and how many people may be in the images.
_LEAST_RATE, _SHARE, _PEOPLE = 15.0, 0.75, 2
#: Side of the image that is timed, pixels; what it shows does not change the time.
_TRIAL = 256


@dataclass(frozen=True, eq=False)
class Refiner:
    """A network for one person, and what a user is told of it."""

    network: SinglePose
    name: str
    """Which it is, and why, if it was chosen here."""


def named_refiner(pose_model: str, threads: int) -> Refiner:
    """Load the network of a name, `auto` and nothing being the more accurate, or of a file.

    Raises:
        DetectorError: if there is no such file, or it holds another network.
    """
    name = THUNDER if pose_model in AUTO else pose_model
    if name in _FILES:
        return Refiner(SinglePose(_FILES[name], threads), f"MoveNet {name}")
    path = Path(name)
    if not path.is_file():
        raise DetectorError(
            f"{name}: no such file; pose_model of the detector movenet is auto, "
            f"{', '.join(REFINERS)} or the path of an ONNX file"
        )
    return Refiner(SinglePose(path, threads), path.name)


def refiner_in_time(
    options: DetectorOptions, clock: Callable[[], float], search_seconds: float
) -> Refiner:
    """Load thunder if this machine is fast enough for live images of two people, else lightning.

    Args:
        options: those of the detector.
        clock: returns seconds.
        search_seconds: what a search for people takes here.
    """
    people = min(_PEOPLE, options.detected_people)
    thunder = named_refiner(THUNDER, options.detector_threads)
    took = people * _seconds(thunder.network, clock) + search_seconds / options.search_every
    most = _SHARE / _LEAST_RATE
    whom = "two people" if people > 1 else "one person"
    if took <= most:
        why = f"an image of {whom} takes {took * 1e3:.0f} ms here"
        return Refiner(thunder.network, f"{thunder.name}: {why}")
    lightning = named_refiner(LIGHTNING, options.detector_threads)
    why = f"would take {took * 1e3:.0f} ms an image of {whom} here, more than {most * 1e3:.0f} ms"
    return Refiner(lightning.network, f"{lightning.name}, as {thunder.name} {why}")


def least_seconds(action: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the time that an action takes on a machine that does nothing else."""
    times = []
    for _ in range(3):
        began = clock()
        action()
        times.append(clock() - began)
    return min(times)


def _seconds(network: SinglePose, clock: Callable[[], float]) -> float:
    image = np.zeros((_TRIAL, _TRIAL, 3), np.uint8)
    square = np.array([[_TRIAL / 2, _TRIAL / 2, _TRIAL]])
    return least_seconds(lambda: network.detect(image, square), clock)
