"""The benchmark of a step: it measures what a stream does, in turns, and says what is missing."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")

import torch

from pstmo_core.bench import latency
from pstmo_core.bench.foreign_code import load_function
from pstmo_core.bench.latency import Matrix, Measured, measure_network
from pstmo_core.bench.latency_calls import (
    BASELINE,
    CENTRE,
    CLIP_CENTRE,
    CLIP_NEWEST,
    NEWEST,
    PLAIN,
    WINDOW,
    calls_of,
)
from pstmo_core.bench.latency_profile import ATTENTION, PRODUCTS, profile_step
from pstmo_core.bench.latency_report import markdown
from pstmo_core.bench.networks import Macs, Network
from pstmo_core.bench.peak import MatrixPeak
from pstmo_core.bench.precision import precision_costs
from pstmo_core.bench.report import percentiles, table, write_report
from pstmo_core.errors import PstmoError
from pstmo_core.model.config import ModelConfig
from pstmo_core.runtime import load_runtime
from pstmo_core.runtime.base import Runtime, RuntimeLoadError

AUTHORS = ModelConfig(frames=27, encoding="screen", mofa_anchor="first")


class Echo(Runtime):
    """A runtime whose rows are the frames themselves, and that keeps the windows it was given."""

    config = AUTHORS
    backend, precision, row_width = "onnxruntime", "fp32", 34

    def __init__(self) -> None:
        self.windows: list[np.ndarray] = []
        self.fresh: list[int] = []

    def step(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = fresh.reshape(len(fresh), self.row_width)
        self.windows.append(np.concatenate([kept, rows])[index])
        self.fresh.append(len(fresh))
        return np.zeros((len(index), 17, 3), np.float32), rows

    def describe(self) -> str:
        return "echo"


def nobody_moves(window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(*window.shape[:2], 17, 3), torch.zeros(len(window), 17, 3)


@pytest.fixture
def network() -> Network:
    macs = Macs(60_000_000, 30_000_000, 80_000_000)
    return Network("authors' 27", Path("none.onnx"), AUTHORS, macs, nobody_moves, nobody_moves)


def test_a_step_has_one_new_frame_a_person_and_everybodys_own_window(network: Network) -> None:
    runtime = Echo()
    step, *_ = calls_of(network, runtime, people=(3,))
    assert (step.kind, step.people, step.macs) == (CENTRE, 3, 180_000_000)
    assert runtime.fresh[:2] == [3 * 27, 3]
    whole, lifted = runtime.windows[:2]
    assert len(np.unique(lifted[:, :, 0])) == 3 * 27
    np.testing.assert_array_equal(lifted[:1], whole)


def test_a_clips_windows_follow_one_another_and_its_frames_are_new_once(network: Network) -> None:
    runtime = Echo()
    (clip,) = (c for c in calls_of(network, runtime, (1,)) if c.kind == CLIP_CENTRE)
    runtime.windows.clear()
    runtime.fresh.clear()
    clip.run()
    assert sum(runtime.fresh) == clip.repeats == 64
    windows = np.concatenate(runtime.windows)
    assert windows.shape == (64, 27, 34)
    np.testing.assert_array_equal(windows[1:, :-1], windows[:-1, 1:])


def test_every_combination_is_measured_and_what_cannot_run_is_reported(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(path: Path, threads: int, backend: str, precision: str) -> Runtime:
        if precision == "bf16":
            raise RuntimeLoadError("this machine has no bf16")
        return Echo()

    monkeypatch.setattr(latency, "load_window_runtime", load)
    monkeypatch.setattr(latency, "profile_step", lambda _network: {"softmax": 1.0, "norms": 3.0})
    matrix = Matrix(people=(1, 4), backends=("onnxruntime", "torch"), turns=2, seconds=0.0)
    calls: list[tuple[int, ...]] = []

    def make_forward(frames: int):  # type: ignore[no-untyped-def]
        return lambda window: calls.append((frames, *window.shape))

    *turns, measured = measure_network(network, matrix, make_forward)
    assert turns == [None, None]
    assert isinstance(measured, Measured)
    kinds = [(c["backend"], c["kind"], c["people"]) for c in measured.cases]
    each = [(CENTRE, 1), (CENTRE, 4), (NEWEST, 1), (NEWEST, 4)]
    each += [(CLIP_CENTRE, 1), (CLIP_NEWEST, 1), (WINDOW, 1)]
    backends = ("onnxruntime", "torch")
    compared = [("--", PLAIN, 1), ("--", BASELINE, 1)]
    assert kinds == [(b, *k) for b in backends for k in each] + compared
    assert measured.left_out == [f"{b} bf16: this machine has no bf16" for b in backends]
    assert set(calls) == {(27, 1, 27, 17, 2)}
    four = measured.cases[1]
    assert four["mmacs"] == pytest.approx(240)
    assert four["share_of_peak"] == pytest.approx(
        240e6 / (four["fastest_ms"] / 1e3) / (four["peak_gmacs_per_s"] * 1e9)
    )
    assert {case["difference"] for case in measured.cases} == {0.0}
    text = markdown([measured], [], "theirs.py")
    assert "times faster" in text
    assert "| norms | 3.00 | 75% |" in text
    assert "each further one ms" in text
    assert "Not measured: torch bf16: this machine has no bf16." in text


def test_nothing_to_measure_is_an_error_with_the_reasons(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> Runtime:
        raise RuntimeLoadError("no such backend")

    monkeypatch.setattr(latency, "load_window_runtime", load)
    with pytest.raises(PstmoError, match="no such backend"):
        list(measure_network(network, Matrix(), None))


def test_the_macs_of_a_step_are_those_of_the_paper_less_what_is_kept(tmp_path: Path) -> None:
    network = Network.authors(27, tmp_path)
    sem, head = 34 * 512 + 2 * 512 * 512 + 512 * 256, 256 * 51
    first_attention = 256 * 3 * 256
    macs = network.macs
    assert macs.plain - macs.centre == 26 * (sem + first_attention) + 27 * head
    assert macs.newest < macs.centre / 2
    assert network.path.is_file()


def test_the_steps_of_a_real_backend_give_the_networks_poses(tmp_path: Path) -> None:
    network = Network.authors(27, tmp_path)
    runtime = load_runtime(network.path, backend="onnxruntime")
    calls = calls_of(network, runtime, (1, 3))
    assert len(calls) == 7
    assert all(0 < call.difference < 1e-5 for call in calls)


def test_a_network_of_ones_own_is_measured_under_the_name_of_its_file(tmp_path: Path) -> None:
    given = Network.authors(9, tmp_path).path.with_suffix(".safetensors")
    network = Network.own(given, tmp_path)
    assert network.name == str(given) and network.config.frames == 9
    calls = calls_of(network, load_runtime(network.path, backend="onnxruntime"), (1,))
    assert all(0 < call.difference < 1e-5 for call in calls)
    assert Network.own(given, tmp_path).path != network.path


def test_a_profile_knows_products_from_the_rest(tmp_path: Path) -> None:
    profile = profile_step(Network.authors(27, tmp_path))
    assert max(profile, key=profile.__getitem__) == PRODUCTS
    assert {ATTENTION, "softmax", "norms"} < set(profile)
    assert all(time > 0 for time in profile.values())


def test_a_backend_in_fp32_costs_no_precision() -> None:
    costs = precision_costs(("onnxruntime", "torch"), ("fp32",))
    assert {(cost.backend, cost.look_ahead) for cost in costs} == {
        (backend, ahead) for backend in ("onnxruntime", "torch") for ahead in (0, 13)
    }
    # MOFA's large sums cancel: in fp32 its pose is up to 0.05 mm from that in float64.
    most = {0: 0.01, 13: 0.05}
    assert all(cost.largest_mm < most[cost.look_ahead] for cost in costs)
    assert all(cost.mean_mm < 0.001 and 40 < cost.mpjpe_mm < 70 for cost in costs)


def test_the_peak_only_rises() -> None:
    peak = MatrixPeak("fp32", 1)
    first = peak.macs_per_second
    peak.measure()
    assert peak.macs_per_second >= first > 1e8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such Python file"),
        ("def other(): ...", "has no function make_forward"),
        ("1 / 0", "cannot be run (ZeroDivisionError"),
    ],
)
def test_compared_code_that_cannot_be_used_is_refused_with_a_sentence(
    tmp_path: Path, text: str | None, words: str
) -> None:
    path = tmp_path / "theirs.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PstmoError) as refused:
        load_function(path, "make_forward")
    assert words in str(refused.value)


def test_a_report_is_a_table_and_a_file_of_its_numbers(tmp_path: Path) -> None:
    times = percentiles(np.array([0.001] * 99 + [0.1]))
    paths = write_report(tmp_path, "x", times, table(["a", "b"], [[1.0, 1234.5]]))
    assert [path.name for path in paths] == ["x.json", "x.md"]
    assert paths[1].read_text() == "| a | b |\n| --- | --- |\n| 1.00 | 1234 |\n"
    assert times["median_ms"] == pytest.approx(1.0)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_not_known_is_null_for_programs(tmp_path: Path) -> None:
    results = {"rows": [{"lag": float("nan"), "mpjpe": 1.5}], "views": ({"lag": math.inf},)}
    path, _ = write_report(tmp_path, "x", results, "")
    read = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert read == {"rows": [{"lag": None, "mpjpe": 1.5}], "views": [{"lag": None}]}
