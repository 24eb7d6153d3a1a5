"""All commands of `pstmo`: importing a file of this folder adds its commands to `app`."""

from __future__ import annotations

# isort: off
from pstmo_core.cli import (  # noqa: F401  (adds commands, in the order in which help lists them)
    lift,
    tilt,
    predict,
    train,
    evaluate,
    calibrate,
    convert,
    bench,
    bench_latency,
    bench_live,
    bench_live_cost,
    bench_real,
    data,
    engine,
    experiments,
    figures,
)
# isort: on

from pstmo_core.cli.app import app as app
