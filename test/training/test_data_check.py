"""`pstmo data check` says what a file is and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic_datasets as synthetic
from command import Command
from dataset_files import Content, changed, set_at, with_nan

from pstmo_core.data.motion.mocap import MocapError
from pstmo_core.data.sequences.check import check_file, check_files
from pstmo_core.keypoints.npz.safe_unpickle import read_npz


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("check")


@pytest.fixture(scope="module")
def h36m_files(folder: Path) -> tuple[Path, Path]:
    return synthetic.write_h36m(folder)


@pytest.fixture(scope="module")
def train_file(folder: Path) -> Path:
    return synthetic.write_3dhp_train(folder)


@pytest.fixture(scope="module")
def test_file(folder: Path) -> Path:
    return synthetic.write_3dhp_test(folder)


def test_check_says_what_each_file_is(
    folder: Path,
    h36m_files: tuple[Path, Path],
    train_file: Path,
    test_file: Path,
    mocap_file: Path,
) -> None:
    from pstmo_core.keypoints.clip import sample_path

    single, several = synthetic.write_wild(folder)
    kinds = {
        h36m_files[0]: "Human3.6M, poses",
        h36m_files[1]: "Human3.6M, keypoints",
        train_file: "MPI-INF-3DHP train",
        test_file: "MPI-INF-3DHP test",
        single: "in the wild",
        several: "in the wild",
        mocap_file: "motion capture",
        sample_path(): "a keypoint clip",
    }
    for path, kind in kinds.items():
        assert check_file(path).kind.startswith(kind)
    facts = check_file(mocap_file).facts
    assert (
        facts["splits"] == "train (5), test (2), val (2)" and facts["licences"] == "not stated (9)"
    )


def test_check_names_the_clip_of_a_broken_row_of_motion_capture(
    mocap_file: Path, tmp_path: Path
) -> None:
    content = read_npz(mocap_file)
    content["root_pos"][content["clip_start"][2] + 4, 1] = np.nan
    np.savez(tmp_path / "bad.npz", **content)
    with pytest.raises(MocapError, match=f"NaN .* in 1 rows, .* clip {content['clip_id'][2]}"):
        check_file(tmp_path / "bad.npz")


def test_check_compares_keypoints_with_poses(h36m_files: tuple[Path, Path], tmp_path: Path) -> None:
    fitting = check_files(h36m_files)[1]
    assert fitting.facts["fit"].startswith("0.0 px") and not fitting.remarks

    def shift(content: Content) -> None:
        for actions in content["positions_2d"].values():
            for cameras in actions.values():
                cameras[:] = [array + 100 for array in cameras]

    other = check_files([h36m_files[0], changed(h36m_files[1], tmp_path, shift)])[1]
    assert "other recordings" in str(other)
    longer = synthetic.write_h36m(tmp_path, "cpn_ft_h36m_dbb")
    assert "16 videos go on after" in str(check_files(longer)[1])


def test_the_command_prints_a_report_or_one_sentence_and_exits_with_2(
    h36m_files: tuple[Path, Path],
    tmp_path: Path,
    pstmo: Command,
) -> None:
    code, out, _ = pstmo("data", "check", *h36m_files)
    assert code == 0 and "Human3.6M, poses" in out and "Human3.6M, keypoints" in out
    bad = changed(h36m_files[0], tmp_path, set_at("positions_3d", "S9", "Walking")(with_nan))
    code, _, err = pstmo("data", "check", bad)
    assert code == 2 and err.startswith(f"error: {bad}: S9 'Walking' has NaN")
    assert err.count("\n") == 1
    bad.write_bytes(bad.read_bytes()[:-100])
    code, _, err = pstmo("data", "check", bad)
    assert code == 2 and "truncated or damaged" in err and err.count("\n") == 1
