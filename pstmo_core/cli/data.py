"""`pstmo data check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.cli.app import group, say

data_app = group("data", "Identify and check data files.")


@data_app.command("check")
def data_check(
    files: Annotated[list[Path], typer.Argument(help="npz files of a data set, or of a clip.")],
) -> None:
    """Say what data files are, and what is wrong with them.

    \b
    pstmo data check test/data/mocap_excerpt.npz
    pstmo data check data_3d_h36m.npz data_2d_h36m_gt.npz

    Knows Human3.6M, MPI-INF-3DHP, in-the-wild keypoints, motion capture and keypoint clips. Given
    both poses and keypoints of Human3.6M, it checks that they fit. Nothing in a file is executed.
    """  # noqa: D301
    from pstmo_core.data.sequences.check import check_files

    for report in check_files(files):
        say(report)
