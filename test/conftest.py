"""What several tests share: real motion, and small networks made on the spot."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import nullcontext
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from command import Command
from library_wheel import InstalledWheel, build_wheel
from turns import turn

from pstmo_core.model.config import ModelConfig
from pstmo_core.runtime import Runtime

DATA = Path(__file__).parent / "data"
#: Test files that take long because they train, start processes, wait for DDS or measure: all of
#: their tests are `slow`, and `scripts/test.sh --quick` and `colcon test` leave them out.
SLOW = (
    "test_any_messages", "test_bench_*", "test_body_outputs", "test_calibration_changes",
    "test_camera_node", "test_cli", "test_collision_monitor", "test_commands_killed",
    "test_complexity", "test_covariance", "test_cut_people", "test_data", "test_dataset_*",
    "test_demo_video",
    "test_determinism", "test_distributed", "test_document*", "test_evaluate_command",
    "test_experiments", "test_export", "test_figures", "test_floor", "test_full_disk*",
    "test_held_feet", "test_image_lifter", "test_inputs", "test_joint_depths", "test_launch_*",
    "test_lift_bags", "test_lift_images", "test_lift_many", "test_lift_ray", "test_live_model",
    "test_make_reference", "test_masked_model", "test_merging", "test_movenet",
    "test_moving_robot", "test_node_bench", "test_node_frames", "test_node_inputs",
    "test_node_outputs",
    "test_official", "test_optional_messages", "test_raised_camera",
    "test_resolution_changes", "test_robustness", "test_rotation", "test_scripts",
    "test_several_cameras", "test_simulation",
    "test_steadying", "test_step_graph", "test_streams", "test_tensorrt_build",
    "test_tensorrt_device", "test_torture", "test_training", "test_training_paths",
    "test_wheel", "test_whole_chain",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests in slow files."""
    for item in items:
        if any(fnmatch(item.path.stem, pattern) for pattern in SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let no other process of this run test anything beside a test that must be alone."""
    own = item.config.getoption("basetemp") if hasattr(item.config, "workerinput") else None
    with turn(Path(own).parent, "alone" in item.keywords) if own else nullcontext():
        yield


@pytest.fixture(autouse=True)
def _loggers_that_tell() -> None:
    """Undo what launch's pytest plugins do to loggers: they would keep things to themselves."""
    logging.setLoggerClass(logging.Logger)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("pstmo_") and isinstance(logger, logging.Logger):
            logger.propagate = True


@pytest.fixture(scope="session")
def sample() -> dict[str, np.ndarray]:
    """The shipped sample: real motion of two people before a virtual camera."""
    from pstmo_core.keypoints.clip import sample_path

    with np.load(sample_path()) as file:
        return dict(file)


@pytest.fixture(scope="session")
def walk(sample: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Times (F,) in seconds and pixels (F, 17, 2) of a real walk, holes filled."""
    points = sample["keypoints"][:100, 0, :, :2].astype(np.float64)
    flat = points.reshape(len(points), -1)
    for column in flat.T:
        known = np.isfinite(column)
        column[~known] = np.interp(np.flatnonzero(~known), np.flatnonzero(known), column[known])
    return sample["stamps"][:100], flat.reshape(-1, 17, 2).astype(np.float32)


@pytest.fixture(scope="session")
def mocap_file() -> Path:
    """A small cut of the motion capture, in its format (test/data/README.md)."""
    return DATA / "mocap_excerpt.npz"


@pytest.fixture(scope="session")
def small_model() -> ModelConfig:
    return ModelConfig(frames=27, layers=1, width=32, feedforward=32, sem_width=32, heads=4)


@pytest.fixture(scope="session")
def shipped() -> Runtime:
    from pstmo_core.runtime import load_runtime

    return load_runtime()


@pytest.fixture
def pstmo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command `pstmo` in this process."""
    from pstmo_core.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["pstmo", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library as a wheel."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed_wheel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> InstalledWheel:
    """The wheel in an environment of its own."""
    return InstalledWheel(wheel, tmp_path_factory.mktemp("venv"))


@pytest.fixture
def counted() -> list[int]:
    """The number of windows in each inference of `runtime`."""
    return []


@pytest.fixture
def runtime(shipped: Runtime, counted: list[int]) -> Runtime:
    """The shipped network, its inferences counted."""

    class Counting(Runtime):
        config, row_width = shipped.config, shipped.row_width
        backend, precision, batch = shipped.backend, shipped.precision, shipped.batch

        def step(
            self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
        ) -> tuple[np.ndarray, np.ndarray]:
            counted.append(len(index))
            return shipped.step(fresh, kept, index, frame)

        def describe(self) -> str:
            return shipped.describe()

    return Counting()


@pytest.fixture(scope="session")
def ros_domain() -> Iterator[None]:
    """Keep what these tests say over DDS on this machine, and apart from other runs."""
    own_domain = pytest.importorskip("pstmo_ros.own_domain", reason="needs ROS 2")
    with own_domain.OwnDomain() as domain, pytest.MonkeyPatch.context() as environment:
        environment.setenv("ROS_DOMAIN_ID", str(domain.number))
        local = "ROS_LOCALHOST_ONLY" if os.environ.get("ROS_DISTRO") == "humble" else None
        environment.setenv(local or "ROS_AUTOMATIC_DISCOVERY_RANGE", "1" if local else "LOCALHOST")
        yield


@pytest.fixture
def ros(ros_domain: None) -> Iterator[None]:
    """Start and end ROS in this process."""
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
    pytest.importorskip("pstmo_ros.msg", reason="needs the built messages")
    rclpy.init(args=[])
    yield
    gc.collect()  # nodes of this test that wait for it would still be seen by the next
    rclpy.shutdown()
