"""Loads the data set that a configuration names, for training or evaluation.

The licensed data sets are not part of this repository; every file of theirs that is asked for and
not there is named together with the place to get it (docs/data.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pstmo_core.data.motion.motion_files import MotionFiles
from pstmo_core.data.sequences.clips import load_clips
from pstmo_core.data.sequences.h36m import load_h36m
from pstmo_core.data.sequences.mocap import mocap_dataset
from pstmo_core.data.sequences.mpi_inf_3dhp import load_3dhp
from pstmo_core.data.sequences.pose_dataset import DatasetError, PoseDataset
from pstmo_core.settings import check_settings, setting

KINDS = ("h36m", "mpi_inf_3dhp", "mocap", "clips")
#: The split on which a network in training is judged: the motion capture has one of its own, on
#: the benchmarks the authors judge on the test split, and so do runs of their recipes.
VALIDATION_SPLITS = {"h36m": "test", "mpi_inf_3dhp": "test", "mocap": "val", "clips": "test"}
_WHERE = {
    "h36m": "Human3.6M is licensed data: get it from http://vision.imar.ro/human3.6m, prepare it "
    "with VideoPose3D's scripts",
    "mpi_inf_3dhp": "MPI-INF-3DHP is licensed data: get it from "
    "https://vcai.mpi-inf.mpg.de/3dhp-dataset, prepare it with P-STMO's data_to_npz_3dhp scripts",
    "mocap": "the motion capture is not part of the repository: docs/data.md says what it holds",
    "clips": "it is a keypoint clip with truth, or a folder of them (docs/evaluation.md)",
}
#: Cameras before the motion capture are the same in every run.
_MOCAP_SEED = {"train": 1, "val": 2, "test": 3}


@dataclass(frozen=True)
class DatasetConfig:
    """A data set of sequences as they are, and how windows are cut from it.

    Raises:
        ConfigError: if a value cannot be used.
    """

    kind: str = setting(
        "",
        "h36m, mpi_inf_3dhp, clips (your own keypoints and poses) or mocap (seen by static "
        "cameras); empty: motion capture seen by cameras drawn per window, which is not a data set "
        "of sequences.",
        choices=("", *KINDS),
    )
    poses: str = ""
    """Human3.6M: `data_3d_h36m.npz`."""
    keypoints: str = ""
    """Human3.6M: a `data_2d_h36m_*.npz`, such as `cpn_ft_h36m_dbb` or `gt`."""
    train: str = ""
    """MPI-INF-3DHP: `data_train_3dhp.npz`; clips: a file or folder."""
    test: str = ""
    """MPI-INF-3DHP: `data_test_3dhp.npz`; clips: a file or folder, in training for validation."""
    cameras: int = setting(1, "Motion capture: standing cameras before each clip.", low=1)
    tds: int = setting(
        1,
        "Temporal downsampling s: frames between neighbours in a window (paper, section 3.3.2).",
        low=1,
    )
    flip: bool = True
    """Train on every window twice, as it is and mirrored; average both where a test does."""

    def __post_init__(self) -> None:
        check_settings(self, "dataset.")


def load_dataset(
    config: DatasetConfig, split: str, mocap: Path | str | MotionFiles = ""
) -> PoseDataset:
    """Load a split of the data set that a configuration names.

    Args:
        config: names the files.
        split: `train` or `test`; for the motion capture also `val`.
        mocap: the motion-capture file, for the kind `mocap`, which may have been read already.

    Raises:
        DatasetError: if a file is not named, absent or wrong, or there is no such split.
        UnpickleError: if a file cannot be read, or is hostile.
        MocapError: if the motion-capture file is wrong, or has no clip of the split.
    """
    if not config.kind:
        raise DatasetError(f"dataset.kind is empty: name one of {', '.join(KINDS)}")
    splits = ("train", "val", "test") if config.kind == "mocap" else ("train", "test")
    if split not in splits:
        raise DatasetError(f"split is {split!r}, but {config.kind} has {', '.join(splits)}")
    if config.kind == "h36m":
        poses = _present(config.poses, "h36m", "dataset.poses")
        return load_h36m(poses, _present(config.keypoints, "h36m", "dataset.keypoints"), split)
    if config.kind in ("mpi_inf_3dhp", "clips"):
        name = config.train if split == "train" else config.test
        path = _present(name, config.kind, f"dataset.{split}")
        if config.kind == "clips":
            return load_clips(path)
        data = load_3dhp(path)
        if data.name.split()[-1] != split:
            raise DatasetError(f"{path}: is {data.name}, but dataset.{split} names it: swap them")
        return data
    files = mocap if isinstance(mocap, MotionFiles) else MotionFiles([mocap])
    _present(files.paths[0], "mocap", "mocap")
    clips = files.of_split(split)
    files.require(clips, split, "which was asked for")
    return mocap_dataset(clips, config.cameras, _MOCAP_SEED[split])


def _present(path: Path | str, kind: str, setting: str) -> Path:
    """Return the path of a file that is there, or say where it comes from."""
    advice = (
        f"{_WHERE[kind]}, and name it as {setting}= (pstmo evaluate: --{setting.split('.')[-1]})"
    )
    if not str(path):
        raise DatasetError(f"{setting} names no file; {advice}")
    if not Path(path).is_file() and not (kind == "clips" and Path(path).is_dir()):
        raise DatasetError(f"{path}: no such file; {advice}")
    return Path(path)
