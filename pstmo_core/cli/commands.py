"""All commands of `pstmo`: importing a file of this folder adds its commands to `app`."""

from __future__ import annotations

from pstmo_core.cli import (  # noqa: F401  (add commands)
    bench,
    bench_latency,
    bench_live,
    bench_live_cost,
    bench_real,
    calibrate,
    convert,
    data,
    engine,
    evaluate,
    experiments,
    figures,
    lift,
    predict,
    train,
)
from pstmo_core.cli.app import app as app
