"""`pstmo evaluate` also measures streams: the same windows, through the core's filters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="evaluation needs torch")

from pstmo_core.bench.model_card import measure  # noqa: E402
from pstmo_core.bench.streamed_windows import measure_streamed  # noqa: E402
from pstmo_core.data.motion.detector_noise import DetectorNoise  # noqa: E402
from pstmo_core.data.motion.mocap import load_mocap  # noqa: E402
from pstmo_core.evaluation.mocap_windows import Evaluation  # noqa: E402
from pstmo_core.evaluation.virtual_windows import (  # noqa: E402
    InputCondition,
    draw_windows,
    grouped,
)
from pstmo_core.model.checkpoints import load_weights  # noqa: E402
from pstmo_core.runtime import load_runtime, shipped_model  # noqa: E402
from pstmo_core.streaming.config import PLAIN, StreamConfig  # noqa: E402

WEIGHTS = shipped_model().with_suffix(".safetensors")
COUNT, FAULTS = 40, InputCondition(faults=DetectorNoise(clean_share=0.0))


def test_a_stream_without_filters_answers_what_the_network_gives_for_the_window(
    mocap_file: Path,
) -> None:
    network, runtime = load_weights(WEIGHTS), load_runtime()
    evaluation = Evaluation(
        mocap_file, "test", network.config, torch.device("cpu"), windows=COUNT, flip=True
    )
    parts = grouped(load_mocap(mocap_file, "test"), "class")
    for name, of_windows in evaluation.measure(network, 0).items():
        drawn = draw_windows(parts[name], COUNT, 27, 0.04, InputCondition())
        streamed = measure_streamed(drawn, 0.04, runtime, StreamConfig(**PLAIN))
        assert streamed.windows == COUNT
        assert streamed.mpjpe == pytest.approx(of_windows.mpjpe, abs=0.02)
        assert streamed.covered == pytest.approx(of_windows.covered, abs=0.002)


def test_the_filters_make_up_for_a_part_of_a_detectors_errors(mocap_file: Path) -> None:
    clips = next(iter(grouped(load_mocap(mocap_file, "test"), "class").values()))
    drawn, runtime = draw_windows(clips, 4 * COUNT, 27, 0.04, FAULTS), load_runtime()
    plain = measure_streamed(drawn, 0.04, runtime, StreamConfig(**PLAIN))
    filtered = measure_streamed(drawn, 0.04, runtime, StreamConfig())
    assert filtered.mpjpe < plain.mpjpe - 1.0


def test_people_who_are_not_lifted_in_the_newest_frame_are_left_out(mocap_file: Path) -> None:
    clips = next(iter(grouped(load_mocap(mocap_file, "test"), "class").values()))
    drawn = draw_windows(clips, COUNT, 27, 0.04, InputCondition())
    drawn.seen[:10] = 0.0
    unseen = replace(drawn, seen=drawn.seen)
    measured = measure_streamed(unseen, 0.04, load_runtime(), StreamConfig())
    assert measured.windows == COUNT - 10


def test_the_report_has_rows_of_streams(mocap_file: Path) -> None:
    report = measure(WEIGHTS, [mocap_file], "test", windows=4)
    streamed = {row["input"] for row in report["rows"] if "streamed" in row["input"]}
    assert streamed == {"clean, streamed", "detector faults, streamed"}


@pytest.mark.parametrize("condition", [InputCondition(), FAULTS], ids=["clean", "faults"])
@pytest.mark.parametrize("network", ["stmo_27.onnx", "stmo_live.onnx"])
def test_rays_and_bones_make_poses_better(
    mocap_file: Path, network: str, condition: InputCondition
) -> None:
    clips = next(iter(grouped(load_mocap(mocap_file, "test"), "class").values()))
    drawn = draw_windows(clips, 4 * COUNT, 27, 0.04, condition)
    runtime = load_runtime(WEIGHTS.with_name(network))
    lifted, with_rays, with_both = (
        measure_streamed(drawn, 0.04, runtime, StreamConfig(**settings))
        for settings in ({"ray_error": 0, "bone_memory": 0}, {"bone_memory": 0}, {})
    )
    assert with_rays.mpjpe < lifted.mpjpe - 0.2
    assert with_both.p_mpjpe < with_rays.p_mpjpe < lifted.p_mpjpe
    assert with_both.mpjpe < lifted.mpjpe - 0.5
