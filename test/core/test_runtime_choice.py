"""Which backend runs a network, and what is said of it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command import Command

import pstmo_core.runtime as runtimes
from pstmo_core.detection import DetectorError, DetectorOptions, load_detector
from pstmo_core.encoding import input_shape
from pstmo_core.keypoints.clip import sample_path
from pstmo_core.model.config import ModelConfig
from pstmo_core.runtime import (
    BACKENDS,
    SHIPPED,
    BackendUnavailable,
    LiveRuntime,
    Runtime,
    RuntimeLoadError,
    find_model,
    load_runtime,
    shipped_model,
)
from pstmo_core.skeleton import JOINTS, ROOT


class StandIn(Runtime):
    """A backend that computes nothing."""

    def __init__(self, name: str) -> None:
        self.config, self.backend, self.precision, self.row_width = ModelConfig(), name, "fp32", 1

    def step(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError("nothing is to be computed")

    def describe(self) -> str:
        return f"stand-in for {self.backend}"


def backends_that_work(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[tuple[object, ...]]:
    """Put stand-ins in the place of all backends; returns what each is asked for."""
    asked: list[tuple[object, ...]] = []

    def module(path: str) -> SimpleNamespace:
        name = next(name for name, place in runtimes._MODULES.items() if place == path)
        if name == "torch" and name not in names:
            raise ModuleNotFoundError("No module named 'torch'")

        def load(model: Path, threads: int, precision: str) -> Runtime:
            asked.append((name, model.name, threads, precision))
            if name not in names:
                raise BackendUnavailable(f"{name} is not for this machine")
            return StandIn(name)

        return SimpleNamespace(load=load)

    monkeypatch.setattr(runtimes, "import_module", module)
    return asked


def test_auto_takes_the_first_backend_that_works_and_says_why_not_those_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = backends_that_work(monkeypatch, "openvino", "torch")
    runtime = load_runtime(threads=3, precision="bf16")
    assert runtime.backend == "openvino"
    assert asked == [(name, "stmo_27.onnx", 3, "bf16") for name in BACKENDS[:3]]
    assert runtime.explain() == (
        "stand-in for openvino; not tensorrt: tensorrt is not for this machine; "
        "not onnxruntime: onnxruntime is not for this machine"
    )


@pytest.mark.parametrize("first", range(len(BACKENDS)))
def test_auto_keeps_to_the_order(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    backends_that_work(monkeypatch, *BACKENDS[first:])
    runtime = load_runtime()
    assert runtime.backend == BACKENDS[first]
    assert len(runtime.passed_over) == first


def test_a_backend_that_was_asked_for_is_the_only_one_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = backends_that_work(monkeypatch, "onnxruntime")
    assert load_runtime(backend="onnxruntime").passed_over == ()
    with pytest.raises(BackendUnavailable, match="not torch: No module named 'torch'"):
        load_runtime(backend="torch")
    assert [name for name, *_ in asked] == ["onnxruntime"]


def test_where_nothing_works_all_reasons_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    backends_that_work(monkeypatch)
    with pytest.raises(BackendUnavailable) as error:
        load_runtime()
    assert all(f"not {name}: " in str(error.value) for name in BACKENDS)


def test_files_below_the_home_folder_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model.onnx").write_bytes(shipped_model().read_bytes())
    assert load_runtime("~/model.onnx", backend="onnxruntime").config.frames == 27
    with pytest.raises(DetectorError, match=f"{tmp_path}/pose.onnx: no such file"):
        load_detector("onnx", DetectorOptions(pose_model="~/pose.onnx"))


def test_a_broken_file_is_no_reason_to_try_the_next_backend(tmp_path: Path) -> None:
    broken = tmp_path / "m.onnx"
    broken.write_bytes(shipped_model().read_bytes()[:1000])
    with pytest.raises(RuntimeLoadError, match="not a readable ONNX file") as error:
        load_runtime(broken)
    assert not isinstance(error.value, BackendUnavailable)


@pytest.mark.parametrize("option", ["backend", "precision"])
def test_an_unknown_choice_is_refused_with_what_there_is(
    option: str, tmp_path: Path, pstmo: Command
) -> None:
    with pytest.raises(RuntimeLoadError, match=f"{option} is 'fast', but must be one of"):
        load_runtime(**{option: "fast"})  # type: ignore[arg-type]
    arguments = ("lift", sample_path(), "-o", tmp_path / "o.npz", f"--{option}", "fast")
    code, _, err = pstmo(*arguments)
    assert code == 2 and f"{option} is 'fast'" in err


def test_onnx_runtime_is_refused_for_other_precisions_than_its_own() -> None:
    with pytest.raises(BackendUnavailable, match="runs fp32 only, not bf16"):
        load_runtime(backend="onnxruntime", precision="bf16")


def windows(runtime: Runtime, count: int) -> np.ndarray:
    shape = (count, runtime.config.frames, *input_shape(runtime.config.encoding))
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def same(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> None:
    """Positions within a tolerance in metres, the logs of sigma within four times the number.

    Not the root's sigma: it lies at 0 by definition, and the log of its error (-9.6) at the edge of
    what bf16 tells apart.
    """
    np.testing.assert_allclose(ours[..., :3], theirs[..., :3], atol=tolerance)
    rest = np.arange(JOINTS) != ROOT
    np.testing.assert_allclose(ours[..., rest, 3:], theirs[..., rest, 3:], atol=4 * tolerance)


CHOICES = [("openvino", "fp32", 1e-5), ("openvino", "bf16", 0.05),
           ("torch", "fp32", 1e-5), ("torch", "bf16", 0.05)]  # fmt: skip


@pytest.mark.parametrize(("backend", "precision", "tolerance"), CHOICES)
def test_all_backends_compute_the_same_and_take_one_anothers_rows(
    backend: str, precision: str, tolerance: float, shipped: Runtime
) -> None:
    pytest.importorskip(backend, reason=f"needs {backend}")
    try:
        runtime = load_runtime(backend=backend, precision=precision)
    except BackendUnavailable as error:
        pytest.skip(str(error))
    assert (runtime.backend, runtime.precision) == (backend, precision)
    assert precision in runtime.describe()
    frames = windows(shipped, 3)
    nothing = np.empty((0, shipped.row_width), np.float32)
    index = np.arange(shipped.config.frames)[None]
    for frame in (None, 20):
        same(runtime.lift(frames, frame), shipped.lift(frames, frame), tolerance)
        _, rows = shipped.step(frames[0], nothing, index, frame)
        theirs, new = runtime.step(frames[0, -1:], rows[:-1], index, frame)
        again, none_new = runtime.step(
            frames[0, :0], np.concatenate([rows[:-1], new]), index, frame
        )
        same(theirs, shipped.lift(frames[:1], frame), tolerance)
        same(again, theirs, tolerance)
        assert none_new.shape == (0, shipped.row_width)


def test_what_a_step_returns_is_not_changed_by_the_next(shipped: Runtime) -> None:
    for backend in ("onnxruntime", "openvino", "torch"):
        if backend != "onnxruntime":
            pytest.importorskip(backend, reason=f"needs {backend}")
        runtime = load_runtime(backend=backend)
        first = runtime.lift(windows(runtime, 1))
        copy = first.copy()
        runtime.lift(windows(runtime, 1) * 0.5)
        np.testing.assert_array_equal(first, copy)


def test_a_weight_file_runs_on_torch_alone(shipped: Runtime) -> None:
    pytest.importorskip("torch", reason="needs torch")
    runtime = load_runtime(shipped_model().with_suffix(".safetensors"))
    assert runtime.backend == "torch"
    assert any(
        "stmo_27.safetensors is not an ONNX file" in reason for reason in runtime.passed_over
    )


def test_torch_without_weights_says_what_it_needs(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs torch")
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(shipped_model().read_bytes())
    with pytest.raises(
        BackendUnavailable, match="needs the network's weights, .*alone.safetensors"
    ):
        load_runtime(alone, backend="torch")


def test_a_file_of_the_window_graph_alone_is_refused_with_what_to_do(
    small_model: ModelConfig, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="needs torch")
    from pstmo_core.model.stmo import STMO
    from pstmo_core.runtime.onnx_export import export_onnx

    config = dataclasses.replace(small_model, frames=9)
    export_onnx(STMO(config).eval(), tmp_path / "window.onnx", kind="window")
    with pytest.raises(RuntimeLoadError, match="has no output .*export the model again"):
        load_runtime(tmp_path / "window.onnx")


def test_threads_reach_the_backend() -> None:
    assert "CPU, 2 thread(s)" in load_runtime(threads=2, backend="onnxruntime").describe()


def test_lifting_a_clip_needs_neither_torch_nor_onnx(tmp_path: Path) -> None:
    output = tmp_path / "out.npz"
    program = (
        "import sys\n"
        "sys.modules.update(torch=None, onnx=None, openvino=None)\n"
        f"sys.argv = ['pstmo', 'lift', {str(sample_path())!r}, '-o', {str(output)!r}]\n"
        "from pstmo_core.cli import main\n"
        "main()\n"
    )
    root = Path(runtimes.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert output.exists() and "on ONNX Runtime" in result.stdout


def test_shipped_networks_are_found_by_name_but_a_file_of_that_name_is_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model("") == find_model(None) == find_model("stmo_27") == shipped_model()
    assert isinstance(load_runtime("stmo_live", backend="onnxruntime"), LiveRuntime)
    assert {find_model(name) for name in SHIPPED} == set(shipped_model().parent.glob("stmo_*.onnx"))
    (tmp_path / "stmo_live").write_bytes(shipped_model().read_bytes())
    assert find_model("stmo_live") == Path("stmo_live")
    with pytest.raises(RuntimeLoadError, match="the name of a shipped network"):
        load_runtime("stmo_81")
