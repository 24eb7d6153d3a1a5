"""`pstmo lift --ray`, on a cluster of this machine."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed (extra `ray`, no wheel everywhere)")

from clip_files import write_clips  # noqa: E402

from pstmo_core.lift import ray_jobs  # noqa: E402
from pstmo_core.lift.jobs import Result, run_job  # noqa: E402
from pstmo_core.lift.plan import Job, plan  # noqa: E402
from pstmo_core.lift.settings import LiftSettings  # noqa: E402


def test_a_cluster_that_loses_a_worker_loses_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    init = ray.init

    def two_workers(address: str, **options: Any) -> Any:
        assert address == "local"
        return init(address=address, num_cpus=2, include_dashboard=False, **options)

    monkeypatch.setattr(ray, "init", two_workers)
    clips = write_clips(tmp_path / "in", 4)
    jobs, _ = plan(list(map(str, clips)), tmp_path / "out", ["npz"])
    died = tmp_path / "died"

    def die_once(job: Job, settings: LiftSettings, force: bool) -> Result:
        # Within the test, so that it travels by value: the cluster does not know test/.
        if job.source.endswith("clip1.npz") and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return run_job(job, settings, force)

    results: list[Result] = []
    done: list[float] = []
    ray_jobs.lift_on_ray(
        jobs, LiftSettings(), False, "local", results.append, done.append, run=die_once
    )
    assert died.exists()
    assert sorted(result.job.source for result in results) == sorted(map(str, clips))
    assert all(not result.error and Path(result.outputs[0]).exists() for result in results)
    assert done == [1, 2, 3, 4]


def test_a_cluster_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(**options: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nMore lines.")

    monkeypatch.setattr(ray, "init", nobody)
    with pytest.raises(ray_jobs.RayError, match="no Ray cluster at auto: Could not find"):
        ray_jobs.lift_on_ray([], LiftSettings(), False, "auto", print, print)
