"""The command `pstmo`."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator

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
    with _quiet_start():
        from pstmo_core.cli.app import report, set_up_debugging
        from pstmo_core.cli.commands import app
    try:
        app(set_up_debugging(sys.argv[1:]), prog_name="pstmo")
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except (PstmoError, OSError) as error:
        report(error)
        sys.exit(2)


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Let Ctrl-C end the process at once while it imports: NumPy takes an exception for a fault."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored, in the background
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    yield
    signal.signal(signal.SIGINT, before)
