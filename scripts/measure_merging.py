r"""How near the joints are that several cameras' skeletons are merged to.

    python scripts/measure_merging.py ../shared/real -o docs/benchmarks/merging.md

Recordings of several calibrated cameras with a 3D reference, as `pstmo bench real` takes them:
each view is lifted as the node would, and what any one, two, three or four of them tell is merged
as `people_merger` does. Their mean is what merging has to beat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from pstmo_core.atomic_files import write_text
from pstmo_core.bench.hidden_joints import BELOW_CHEST, LEGS, has_part, without
from pstmo_core.bench.real import centred
from pstmo_core.bench.real_recordings import JUDGED, RecordingError, View, load_recordings
from pstmo_core.bench.triangulation import StationedCamera
from pstmo_core.cli.app import run_script
from pstmo_core.keypoints.npz.bounded import read_plain_npz
from pstmo_core.model.config import INTERVAL
from pstmo_core.robot.merged_person import Sighting
from pstmo_core.robot.merging import Merger
from pstmo_core.runtime import load_runtime
from pstmo_core.skeleton import JOINT_NAMES
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip

_JUDGED = [JOINT_NAMES.index(name) for name in JUDGED]
_HIPS = [JUDGED.index("rhip"), JUDGED.index("lhip")]
#: What is hidden from the first of the cameras, and what is judged, by parts of joints' names.
HIDDEN = {
    "arms": (("elbow", "wrist"), ("elbow", "wrist")),
    "legs": (LEGS, ("knee", "ankle")),
    "below the chest": (BELOW_CHEST, ("shoulder", "elbow", "wrist")),
}
_HEAD = (
    "| keypoints | cameras | their mean | merged | within 2.5 sigma | alone, along | across |\n"
    "|---|---|---|---|---|---|---|"
)


class Station(NamedTuple):
    """A camera, and what it tells of the person."""

    truth: np.ndarray
    """(F, 12, 3) metres, the reference about the middle of the hips, along the world's axes."""
    seen: list[Sighting]
    """By frame."""
    ahead: np.ndarray
    """(F, 3) unit vectors from the camera to the person, along the world's axes."""


def stations(
    views: Sequence[View], folder: Path, detector: str, hidden: Sequence[str] = ()
) -> list[Station]:
    """Lift a detector's keypoints of all views, without joints of whose names these are parts."""
    made: list[Station] = []
    for view in views:
        place = stationed(view, folder / f"{view.name}.npz")
        rotation = place.rotation.T
        keypoints = without(view.keypoints[detector], hidden)
        lifted = lift_clip(keypoints, load_runtime(), StreamConfig(), camera=view.camera)
        bodies = lifted.bodies
        seen = [
            Sighting(
                int(lifted.stamps[frame]), "p", rotation @ bodies.roots[row] + place.centre,
                rotation @ bodies.root_covariance[row] @ rotation.T,
                bodies.joints[row] @ rotation.T, bodies.confidence[row], bodies.sigma[row],
            )
            for row, frame in enumerate(lifted.frames.tolist())
        ]  # fmt: skip
        ahead = view.reference[:, _HIPS].mean(1) @ rotation.T
        ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True)
        made.append(Station(centred(view.reference) @ rotation.T, seen, ahead))
    return made


def stationed(view: View, path: Path) -> StationedCamera:
    """Return where a view's camera stands.

    Raises:
        RecordingError: if its file does not say.
    """
    fields = read_plain_npz(path)
    if missing := {"R", "T"} - fields.keys():
        raise RecordingError(
            f"{path}: has no key {' and no '.join(sorted(missing))}, which say where the camera "
            "stands: scripts/make_reference.py writes them"
        )
    return StationedCamera(view.name, view.camera, fields["R"], fields["T"])


def measure(chosen: Sequence[Station], joints_judged: Sequence[str] = ("",)) -> np.ndarray:
    """Return the error of the mean, that of what is merged, in mm, and the share in 2.5 sigma.

    Only of joints of whose names something is a part.
    """
    judged = [has_part(name, joints_judged) for name in JUDGED]
    merger, joints, sigma = Merger(), [], []
    for frame in zip(*(station.seen for station in chosen), strict=True):
        for camera, sighting in enumerate(frame):
            (person,) = merger.take(str(camera), sighting.stamp, [sighting])
        assert person.sigma is not None
        joints.append(person.joints[_JUDGED])
        sigma.append(person.sigma[_JUDGED])
    truth = np.nanmean([station.truth for station in chosen], axis=0)
    known = np.isfinite(truth).all((1, 2))
    mean = np.mean([[s.joints[_JUDGED] for s in station.seen] for station in chosen], axis=0)
    of_mean, off = (
        np.linalg.norm(centred(each) - truth, axis=-1)[known][:, judged]
        for each in (mean, np.array(joints))
    )
    within = off <= INTERVAL * np.array(sigma)[known][:, judged]
    return np.array([of_mean.mean() * 1e3, off.mean() * 1e3, within.mean()])


def deviations(station: Station) -> np.ndarray:
    """Return root mean square errors of one camera in mm, along its viewing direction and across.

    Across: along each of the two axes.
    """
    joints = centred(np.array([sighting.joints[_JUDGED] for sighting in station.seen]))
    off = joints - station.truth
    along = np.nanmean((off * station.ahead[:, None]).sum(-1) ** 2)
    return np.sqrt([along, (np.nanmean((off**2).sum(-1)) - along) / 2]) * 1e3


def whole(by_detector: Mapping[str, Sequence[Station]]) -> Iterator[str]:
    """Yield rows of people whom all cameras see, of the stations of each detector."""
    for detector, made in by_detector.items():
        along, across = np.mean([deviations(station) for station in made], axis=0)
        for count in range(1, len(made) + 1):
            mean, merged, share = np.mean([measure(c) for c in combinations(made, count)], axis=0)
            yield (
                f"| {detector} | {count} | {mean:.0f} | {merged:.0f} | {share:.0%} | "
                f"{along:.0f} | {across:.0f} |"
            )


def partly_hidden(
    views: Sequence[View], folder: Path, by_detector: Mapping[str, Sequence[Station]]
) -> Iterator[str]:
    """Yield rows of people of whom one camera does not see all; the others are given."""
    for detector, made in by_detector.items():
        for name, (parts, judged) in HIDDEN.items():
            less = stations(views, folder, detector, parts)
            for count in range(1, len(made)):
                # Each camera is the one that sees less, beside all choices of the others.
                found, others = [], []
                for index, one in enumerate(less):
                    for rest in combinations([*made[:index], *made[index + 1 :]], count):
                        found.append(measure([one, *rest], judged))
                        others.append(measure(rest, judged)[1])
                mean, merged, share = np.mean(found, axis=0)
                yield (
                    f"| {detector} | {name} | {count} | {np.mean(others):.0f} | {mean:.0f} | "
                    f"{merged:.0f} | {share:.0%} |"
                )


def main(
    recordings: Annotated[Path, typer.Argument(help="Folder of recordings with a reference.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The Markdown file to write.")],
) -> None:
    """Measure and write the tables."""
    lines = [
        "# Skeletons of several cameras\n",
        "Errors in mm (MPJPE of twelve joints, middle of the hips aligned, look-ahead 0, default "
        "settings) of what `people_merger` makes of the skeletons of one to four cameras around a "
        "person, and of their plain mean: means over all choices of so many cameras. Within 2.5 "
        "sigma should be 90 %. The last columns are why merging beats the mean: one camera's "
        "joints are off along its viewing direction by more than across it (root mean square, "
        "mm).\n",
        "    python scripts/measure_merging.py ../shared/real -o docs/benchmarks/merging.md",
    ]
    for recording, views in load_recordings(recordings).items():
        lines += [f"\n## {recording}\n", _HEAD]
        made = {name: stations(views, recordings, name) for name in views[0].keypoints}
        for row in whole(made):
            lines.append(row)
            print(row, flush=True)
        lines += [
            f"\n## {recording}, parts hidden from one camera\n",
            "Errors of the arms or legs that one camera does not see while the others do; with all "
            "below the chest hidden, of shoulders and arms.\n",
            "| keypoints | hidden | other cameras | these alone | mean of all | all merged | "
            "within 2.5 sigma |\n|---|---|---|---|---|---|---|",
        ]
        for row in partly_hidden(views, recordings, made):
            lines.append(row)
            print(row, flush=True)
    write_text(output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    run_script(main)
