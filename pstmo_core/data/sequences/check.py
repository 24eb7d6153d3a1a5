"""Says what a data file is, what it holds and what is wrong with it: `pstmo data check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.data.motion.doubts import doubts_of
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.sequences import h36m
from pstmo_core.data.sequences.h36m_cameras import CAMERAS, h36m_camera
from pstmo_core.data.sequences.mpi_inf_3dhp import parse_3dhp
from pstmo_core.data.sequences.pose_dataset import H36M, DatasetError, PoseDataset
from pstmo_core.data.sequences.wild import parse_wild
from pstmo_core.keypoints.clip import load_clip
from pstmo_core.keypoints.npz.safe_unpickle import read_npz

#: Takes of a subject of Human3.6M; S11 has one less.
_TAKES = 30
#: Keypoints this far from the projected poses (median, pixels) are not of the same recording.
_APART = 50.0
#: Stands for the size that some in-the-wild files leave to their reader.
_NO_SIZE = (1, 1)


@dataclass
class FileReport:
    """What was found in a file that can be used."""

    path: Path
    kind: str
    facts: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    """What the file's user should know, though it can be used."""
    content: Any = None
    """What was read, for the comparison with other files."""

    def __str__(self) -> str:
        width = max(map(len, self.facts), default=0)
        lines = [f"{self.path}: {self.kind}"]
        lines += [f"  {name:<{width}}  {value}" for name, value in self.facts.items()]
        lines += [f"  note: {remark}" for remark in self.remarks]
        return "\n".join(lines)


def check_files(paths: Sequence[Path | str]) -> list[FileReport]:
    """Check files one by one, and Human3.6M's keypoints against its poses where both are given.

    Raises:
        PstmoError: at the first file that cannot be used, or that does not fit another.
    """
    reports = [check_file(path) for path in paths]
    motion = [report for report in reports if report.kind == _MOTION]
    if motion:
        paths, motions = zip(*((report.path, report.content) for report in motion), strict=True)
        motion[-1].remarks += doubts_of(paths, motions)
    poses = [r for r in reports if r.kind == _H36M_POSES]
    for report in reports:
        if report.kind == _H36M_KEYPOINTS:
            for other in poses:
                _compare(other, report)
    return reports


def check_file(path: Path | str) -> FileReport:
    """Say what a file is and what is in it.

    Raises:
        PstmoError: if it cannot be read, is none of the known kinds, or has something wrong.
    """
    path = Path(path)
    content = read_npz(path)
    for key, check in _CHECKS.items():
        if key in content:
            return check(path, content)
    raise DatasetError(
        f"{path}: has the keys {', '.join(map(repr, sorted(content))) or 'none'}, so it is not a "
        f"known data file: those have one of {', '.join(map(repr, _CHECKS))}"
    )


def _check_h36m_poses(path: Path, content: dict[str, Any]) -> FileReport:
    takes = h36m.parse_h36m_poses(content, str(path))
    report = FileReport(path, _H36M_POSES, content=takes)
    report.facts = {
        "subjects": _counted(subject for subject, _ in takes),
        "actions": _counted(action.partition(" ")[0] for _, action in takes),
        "frames": _frames(sum(map(len, takes.values())), h36m.FPS),
        "joints": f"{h36m.CAPTURED_JOINTS}, of which {len(h36m.KEPT)} are used; metres, world",
    }
    subjects = Counter(subject for subject, _ in takes)
    for name, needed in h36m.SPLITS.items():
        missing = [subject for subject in needed if subject not in subjects]
        if missing:
            report.remarks.append(f"the {name} split lacks {', '.join(missing)}")
    for subject, count in subjects.items():
        if count != _TAKES - (subject == h36m.LEFT_OUT[0]):
            report.remarks.append(f"{subject} has {count} takes; the whole data set has {_TAKES}")
    if h36m.LEFT_OUT[1] in content["positions_3d"].get(h36m.LEFT_OUT[0], {}):
        report.remarks.append(f"{' '.join(h36m.LEFT_OUT)} is left out: its video is corrupt")
    return report


def _check_positions_2d(path: Path, content: dict[str, Any]) -> FileReport:
    """Tell the two kinds of keypoint files apart by their second level."""
    whole = content["positions_2d"]
    entries = whole.values() if isinstance(whole, dict) else ()
    if any(isinstance(entry, dict) and "custom" in entry for entry in entries):
        return _check_wild(path, content)
    keypoints = h36m.parse_h36m_keypoints(content, str(path))
    report = FileReport(path, _H36M_KEYPOINTS, content=keypoints)
    arrays = [array for cameras in keypoints.takes.values() for array in cameras]
    report.facts = {
        "subjects": _counted(subject for subject, _ in keypoints.takes),
        "actions": _counted(action.partition(" ")[0] for _, action in keypoints.takes),
        "frames": _frames(sum(map(len, arrays)), h36m.FPS) + f", {len(CAMERAS)} cameras together",
        "points": keypoints.order.name,
        "scores": "yes" if all(array.shape[-1] == 3 for array in arrays) else "no",
    }
    return report


def _check_3dhp(path: Path, content: dict[str, Any]) -> FileReport:
    data = parse_3dhp(content, str(path))
    report = _dataset_report(path, data)
    report.facts["valid"] = f"{sum(int(s.valid.sum()) for s in data)} frames"
    return report


def _check_wild(path: Path, content: dict[str, Any]) -> FileReport:
    metadata = content.get("metadata")
    sized = isinstance(metadata, dict) and "video_metadata" in metadata
    report = _dataset_report(path, parse_wild(content, str(path), None if sized else _NO_SIZE))
    if not sized:
        report.facts.pop("images")
        report.remarks.append("the file does not say the image size: give it where it is used")
    return report


def _check_mocap(path: Path, _: dict[str, Any]) -> FileReport:
    mocap = load_mocap(path)
    facts = {
        "clips": str(len(mocap.clip)),
        "actions": _counted(mocap.action.tolist()),
        "quality": _counted(mocap.quality.tolist()),
        "splits": _counted(mocap.split.tolist()),
        "licences": _counted(name or "not stated" for name in mocap.licence.tolist()),
        "frames": _frames(len(mocap.positions), mocap.fps),
    }
    return FileReport(path, _MOTION, facts, content=mocap)


def _check_clip(path: Path, _: dict[str, Any]) -> FileReport:
    clip = load_clip(path)
    facts = {
        "people": f"{len(clip.ids)}: {', '.join(clip.ids)}",
        "frames": str(len(clip)),
        "points": clip.layout,
        "images": f"{clip.width} x {clip.height}",
        "truth": "no" if clip.truth is None else "yes",
    }
    return FileReport(path, "a keypoint clip (docs/formats.md), input of `pstmo lift`", facts)


def _dataset_report(path: Path, data: PoseDataset) -> FileReport:
    report = FileReport(path, data.name)
    rates = {sequence.fps for sequence in data}
    rate = rates.pop() if len(rates) == 1 else None
    names = data.labels("name")
    report.facts = {
        "sequences": f"{len(names)}: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}",
        "frames": _frames(data.frames, rate),
        "points": data.keypoint_order.name,
        "images": ", ".join(sorted({f"{s.width} x {s.height}" for s in data})),
    }
    outside = [_outside(s.keypoints, s.width, s.height) for s in data if s.width > 1]
    if outside and max(outside) > 0.5:
        worst = int(np.argmax(outside))
        report.remarks.append(
            f"{outside[worst]:.0%} of the points of {names[worst]!r} are outside of its image: is "
            "the size right?"
        )
    return report


def _compare(poses: FileReport, keypoints: FileReport) -> None:
    """Check that the keypoints of Human3.6M fit the poses, and say how well."""
    takes, detected = poses.content, keypoints.content
    h36m.check_pair(takes, detected, str(keypoints.path), {subject for subject, _ in takes})
    longer = sum(
        len(points) > len(world) for take, world in takes.items() for points in detected.takes[take]
    )
    if longer:
        keypoints.remarks.append(
            f"{longer} videos go on after the motion capture of {poses.path} ends: cut there"
        )
    if detected.order is not H36M:
        return
    apart = np.concatenate(
        [
            _distances(world, detected.takes[subject, action][index], subject, index)
            for (subject, action), world in takes.items()
            for index in range(len(CAMERAS))
        ]
    )
    keypoints.facts["fit"] = f"{np.median(apart):.1f} px from the projected poses (median)"
    if np.median(apart) > _APART:
        keypoints.remarks.append(f"the poses of {poses.path} seem to be of other recordings")


def _distances(world: np.ndarray, points: np.ndarray, subject: str, index: int) -> np.ndarray:
    """Return distances in pixels between keypoints and projected poses, of a few frames."""
    rows = np.unique(np.linspace(0, len(world) - 1, 10).astype(int))
    camera = h36m_camera(subject, index)
    projected = camera.project(camera.to_camera(world[rows].astype(np.float64)))
    return np.linalg.norm(projected - points[rows, :, :2], axis=-1).ravel()


def _outside(keypoints: np.ndarray, width: int, height: int) -> float:
    return float(((keypoints < 0) | (keypoints > (width, height))).any(-1).mean())


def _frames(count: int, fps: float | None) -> str:
    return f"{count}" if fps is None else f"{count} ({count / fps / 60:.1f} min at {fps:g} fps)"


def _counted(labels: Iterable[str], most: int = 16) -> str:
    counts = Counter(labels)
    shown = ", ".join(f"{label} ({count})" for label, count in list(counts.items())[:most])
    return shown + (", ..." if len(counts) > most else "")


_MOTION = "motion capture on the 17 joints (docs/data.md)"
_H36M_POSES = "Human3.6M, poses"
_H36M_KEYPOINTS = "Human3.6M, keypoints"
#: The key that tells a kind of file, in the order in which they are tried.
_CHECKS: dict[str, Callable[[Path, dict[str, Any]], FileReport]] = {
    "positions_3d": _check_h36m_poses,
    "positions_2d": _check_positions_2d,
    "data": _check_3dhp,
    "kpts": _check_wild,
    "rel_pos": _check_mocap,
    "keypoints": _check_clip,
}
