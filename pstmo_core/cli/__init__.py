"""The command `pstmo`."""

from __future__ import annotations

import logging
import signal
import sys

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
from pstmo_core.cli.app import app, report, set_up_debugging
from pstmo_core.errors import PstmoError

_INTERRUPTED, _TERMINATED = 130, 143


def main() -> None:
    """Run the command; errors of use end in one sentence and exit code 2.

    `--debug`, anywhere among the arguments, adds the traceback.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        # As Ctrl-C does, it lets what is being written be cleaned up.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    try:
        app(set_up_debugging(sys.argv[1:]), prog_name="pstmo")
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except (PstmoError, OSError) as error:
        report(error)
        sys.exit(2)
