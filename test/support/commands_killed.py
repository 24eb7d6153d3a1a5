"""Runs a command of `pstmo` again and again, each time ended by a signal while it writes a file.

    python test/support/commands_killed.py COMMAND...

The signal comes at the first moment at which a file lies complete under its temporary name or has
just got its own, then at the second, and so on: SIGINT, SIGTERM and SIGKILL in turn, until the
command ends before its moment has come. After each signal `killed NAME STATUS` is printed, and a
line is waited for, so that the folder may be looked at; at the end `ended STATUS`.

Python and the libraries are loaded once, and each run is a fork.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Sequence

from pstmo_core import atomic_files
from pstmo_core.cli import main

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


def run(command: Sequence[str], moment: int, number: signal.Signals) -> int:
    """Run a command in a child; send it a signal at a moment; return its status, as a shell has."""
    child = os.fork()
    if not child:
        passed, sync = itertools.count(), atomic_files._sync

        def sync_and_die(path: os.PathLike[str]) -> None:
            sync(path)
            if next(passed) == moment:
                os.kill(os.getpid(), number)

        atomic_files._sync = sync_and_die
        # A process that was started in the background ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["pstmo", *command]
        status = 1
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            sys.stdout.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_again_and_again(command: Sequence[str]) -> None:
    """Do what the module says."""
    for moment, number in enumerate(itertools.cycle(SIGNALS)):
        status = run(command, moment, number)
        if status == 0:
            break
        print("killed", number.name, status, flush=True)
        sys.stdin.readline()
    print("ended", status, flush=True)


if __name__ == "__main__":
    if sys.argv[1] != "lift":
        import torch  # noqa: F401  (once, not in each fork)
    kill_again_and_again(sys.argv[1:])
