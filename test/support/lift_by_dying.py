"""A worker that dies the first time that it lifts an input, as where memory is short."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from pstmo_core.lift.jobs import Result, run_job
from pstmo_core.lift.plan import Job
from pstmo_core.lift.settings import LiftSettings


def die_once(job: Job, settings: LiftSettings, force: bool, progress: Any = None) -> Result:
    """Lift, but kill this process when it is the first to lift the input `doomed.npz`."""
    died = Path(job.base).with_name("died")
    if Path(job.source).name == "doomed.npz" and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return run_job(job, settings, force, progress)
