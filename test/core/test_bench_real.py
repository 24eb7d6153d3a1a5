"""`pstmo bench real`: measures of skeletons from real video against a 3D reference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import Command
from recorded_views import write_view
from shared_files import shared

from pstmo_core.bench.real import OWN_3D, Row, measure, measure_all
from pstmo_core.bench.real_recordings import PROJECTED, View, load_recordings, load_view
from pstmo_core.runtime import Runtime
from pstmo_core.streaming.config import StreamConfig


@pytest.fixture
def view(tmp_path: Path) -> View:
    return load_view(write_view(tmp_path, D=np.zeros(4)))


def judged_of(view: View) -> np.ndarray:
    hips = view.reference[:, 6:8].mean(1, keepdims=True)
    return view.reference - hips


def test_the_reference_itself_has_no_error_and_its_own_jitter(view: View) -> None:
    measures = measure(judged_of(view), view, view.keypoints["h36m17_good"])
    for name in ("mpjpe", "n_mpjpe", "p_mpjpe", "acceleration_error", "knee_angle_error"):
        assert getattr(measures, name) == pytest.approx(0, abs=1e-2), name
    steps = np.diff(judged_of(view), 2, axis=0)
    assert measures.jitter == pytest.approx(np.linalg.norm(steps, axis=-1).mean() * 1e3, rel=1e-5)
    assert measures.swaps == measures.swaps_followed == measures.unanswered == 0


def test_an_error_is_measured_in_millimetres_and_degrees(view: View) -> None:
    answer = judged_of(view) * 1.1
    measures = measure(answer, view, view.keypoints["h36m17_good"])
    expected = np.linalg.norm(0.1 * judged_of(view), axis=-1).mean() * 1e3
    assert measures.mpjpe == pytest.approx(expected, rel=1e-5)
    assert measures.n_mpjpe == pytest.approx(0, abs=1e-2)
    # Shins turned by 90 degrees about the knees.
    answer = judged_of(view).copy()
    thigh = answer[:, 8:10] - answer[:, 6:8]
    straight = answer[:, 8:10] + thigh
    across = np.cross(thigh, np.array([1.0, 0, 0]))
    answer[:, 10:12] = straight
    bent = answer.copy()
    bent[:, 10:12] = answer[:, 8:10] + across
    by_hand = np.abs(180 - 90)
    of_straight = measure(answer, view, view.keypoints["h36m17_good"]).knee_angle_error
    of_bent = measure(bent, view, view.keypoints["h36m17_good"]).knee_angle_error
    assert abs(of_bent - of_straight) <= by_hand
    assert of_bent > 45


def test_swaps_are_counted_in_the_keypoints_and_in_the_answer(tmp_path: Path) -> None:
    good = load_view(write_view(tmp_path)).keypoints["h36m17_good"]
    swapped = np.concatenate([good.keypoints[:, 0], good.scores[:, 0, :, None]], -1)
    swapped[10:15, [1, 2, 3, 4, 5, 6]] = swapped[10:15, [4, 5, 6, 1, 2, 3]]
    view = load_view(write_view(tmp_path, h36m17_good=swapped))
    answer = judged_of(view).copy()
    answer[12:14, 6:] = answer[12:14, [7, 6, 9, 8, 11, 10]]
    measures = measure(answer, view, view.keypoints["h36m17_good"])
    assert measures.swaps == 5
    assert measures.swaps_followed == 2


def test_frames_without_all_joints_are_counted_and_spoil_no_other_measure(view: View) -> None:
    answer = judged_of(view).copy()
    answer[5:8, 3] = np.nan
    measures = measure(answer, view, view.keypoints["h36m17_good"])
    assert measures.unanswered == 3
    assert measures.mpjpe == pytest.approx(0, abs=1e-2)
    assert np.isfinite(measures.jitter)


def test_views_of_a_recording_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ("room_cam01", "room_cam02", "hall"):
        write_view(tmp_path, name)
    found = load_recordings(tmp_path)
    assert {name: len(views) for name, views in found.items()} == {"room": 2, "hall": 1}
    view = found["room"][0]
    assert set(view.keypoints) == {"h36m17_good", PROJECTED}
    assert set(view.own) == {"h36m17_good"}


def test_projected_keypoints_lie_where_the_camera_sees_the_reference(tmp_path: Path) -> None:
    view = load_view(write_view(tmp_path))
    clip = view.keypoints[PROJECTED]
    rays = view.camera.rays(clip.keypoints[:, 0])
    names = [14, 11, 15, 12, 16, 13, 1, 4, 2, 5, 3, 6]
    expected = view.reference[..., :2] / view.reference[..., 2:]
    np.testing.assert_allclose(rays[:, names], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"points3d_camera": None}, "no key 'points3d_camera'"),
        ({"fps": 0.0}, "fps is 0.0"),
        ({"layout": "coco17"}, "the layout coco17 has"),
        ({"width": 0}, "image size"),
        ({"K": np.eye(2)}, "matrix has the shape (2, 2)"),
        ({"R": np.ones(9)}, "R has the shape (9,)"),
        ({"fps": np.ones(2)}, "is not a readable npz file"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_of(
    tmp_path: Path, pstmo: Command, changed: dict[str, object], sentence: str
) -> None:
    if changed.get("layout") == "coco17":
        changed = {**changed, "points3d_camera": np.ones((60, 16, 3))}
    path = write_view(tmp_path, **changed)
    code, _, told = pstmo("bench", "real", tmp_path, "-o", tmp_path / "out")
    assert code == 2
    assert path.name in told and sentence in told


def test_wrong_options_are_refused_with_a_reason(tmp_path: Path, pstmo: Command) -> None:
    view = write_view(tmp_path)
    for options, sentence in [
        (("--set", "max_gapp=1"), "no setting of the stream"),
        (("--set", "max_gap=much"), "must be a number"),
        (("--look-ahead", "-1"), "whole numbers"),
        (("-o", view), "is not a folder"),
    ]:
        code, _, told = pstmo("bench", "real", tmp_path, *options)
        assert code == 2 and sentence in told
    code, _, told = pstmo("bench", "real", tmp_path / "nowhere")
    assert code == 2 and "no recordings" in told


def test_the_command_writes_a_table_and_its_numbers(tmp_path: Path, pstmo: Command) -> None:
    write_view(tmp_path)
    output = tmp_path / "out"
    code, told, _ = pstmo("bench", "real", tmp_path, "-o", output, "--look-ahead", "0")
    assert code == 0
    report = json.loads((output / "real.json").read_text())
    answers = [(row["detector"], row["answer"]) for row in report["rows"]]
    assert answers == [("h36m17_good", OWN_3D), ("h36m17_good", "0"), (PROJECTED, "0")]
    table = (output / "real.md").read_text()
    assert table in told
    mean = report["rows"][1]["mean"]["mpjpe"]
    assert f"| `h36m17_good` | ours, look-ahead 0 | {mean:.0f} |" in table


@pytest.fixture(scope="module")
def measured(shipped: Runtime) -> dict[tuple[str, str], Row]:
    """The recorded man before four cameras (shared/real/README.md)."""
    recordings = load_recordings(shared("real"))
    rows = measure_all(recordings, shipped, {"0": StreamConfig()})
    return {(row.detector, row.answer): row for row in rows}


def test_the_rivals_own_3d_measures_as_when_the_recordings_were_made(
    measured: dict[tuple[str, str], Row],
) -> None:
    """The README's figures, found by other code; only these do not change with our network."""
    heavy, full = (measured[f"blazepose33_{size}", OWN_3D].mean for size in ("heavy", "full"))
    assert [round(heavy.mpjpe), round(heavy.n_mpjpe), round(heavy.p_mpjpe)] == [110, 109, 83]
    assert [round(full.mpjpe), round(full.n_mpjpe), round(full.p_mpjpe)] == [146, 139, 93]
    assert (round(heavy.jitter), round(heavy.acceleration_error)) == (30, 34)
    assert (round(full.jitter), round(full.acceleration_error)) == (57, 62)


def test_on_real_video_we_are_better_than_the_detectors_own_3d(
    measured: dict[tuple[str, str], Row],
) -> None:
    for name in ("blazepose33_heavy", "blazepose33_full"):
        ours, own = measured[name, "0"].mean, measured[name, OWN_3D].mean
        for value in ("mpjpe", "n_mpjpe", "p_mpjpe", "jitter", "acceleration_error"):
            assert getattr(ours, value) < getattr(own, value), (name, value)
