"""Distributes inputs over a Ray cluster whose machines see the same files."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from pstmo_core.errors import PstmoError
from pstmo_core.lift.jobs import Result, run_job
from pstmo_core.lift.opening import Progress
from pstmo_core.lift.plan import Job
from pstmo_core.lift.settings import LiftSettings

#: How often a task is tried again whose worker or machine died.
RETRIES = 3


class RayError(PstmoError):
    """A cluster that cannot be used; says what is missing."""


def lift_on_ray(
    jobs: list[Job],
    settings: LiftSettings,
    force: bool,
    address: str,
    finished: Callable[[Result], object],
    progress: Progress,
    run: Callable[[Job, LiftSettings, bool], Result] = run_job,
) -> None:
    """Lift inputs as tasks of Ray. Paths must mean the same on all its machines.

    A task whose worker dies is tried again elsewhere; what it had finished is not lifted twice.

    Args:
        jobs: the inputs.
        settings: of all.
        force: lift also what is done.
        address: of the cluster's head (HOST:PORT), "auto" for the one that runs on this machine,
            "local" for a new one of this machine's cores.
        finished: takes each result as it comes.
        progress: takes the number of inputs that are done.
        run: lifts an input.

    Raises:
        RayError: if Ray is not installed or the cluster cannot be reached.
    """
    ray = _connected(address)
    try:
        task = ray.remote(max_retries=RETRIES, num_cpus=settings.threads)(run)
        running = {task.remote(job, settings, force): job for job in jobs}
        while running:
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                finished(_result(ray, reference, running.pop(reference)))
            progress(len(jobs) - len(running))
    finally:
        ray.shutdown()


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise RayError("--ray needs the library Ray: pip install 'ray>=2.9'") from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise RayError(
            f"there is no Ray cluster at {address}: {str(error).splitlines()[0]}"
        ) from error
    return ray


def _result(ray: Any, reference: Any, job: Job) -> Result:
    try:
        result: Result = ray.get(reference)
    except ray.exceptions.RayError as error:
        why = str(error).strip().splitlines()[0]
        return Result(job, error=f"{job.shown}: lost on the cluster, {why}")
    return result
