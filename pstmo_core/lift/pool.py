"""Distributes inputs over the cores of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol

from pstmo_core.lift.jobs import Result, run_job
from pstmo_core.lift.opening import Progress
from pstmo_core.lift.plan import Job
from pstmo_core.lift.settings import LiftSettings

#: How often an input is tried whose worker process died.
ATTEMPTS = 2
_LOOK = 0.3  # seconds between two looks at the progress

_stop: Any = None
_shares: Any = None


class Run(Protocol):
    """What lifts one input: `run_job`."""

    def __call__(
        self, job: Job, settings: LiftSettings, force: bool, progress: Progress, /
    ) -> Result:
        """Lift it."""
        ...


def lift_here(
    jobs: list[Job],
    settings: LiftSettings,
    force: bool,
    finished: Callable[[Result], object],
    progress: Progress,
) -> None:
    """Lift one input after the other in this process; see `lift_in_processes`."""
    for number, job in enumerate(jobs):
        finished(run_job(job, settings, force, lambda share, done=number: progress(done + share)))  # type: ignore[misc]
        progress(number + 1)


def lift_in_processes(
    jobs: list[Job],
    settings: LiftSettings,
    force: bool,
    workers: int,
    finished: Callable[[Result], object],
    progress: Progress,
    run: Run = run_job,
) -> None:
    """Lift inputs in several processes.

    When a process dies, what was being lifted is lifted again in a new one. Ctrl-C ends all of them
    after the current images, and complete outputs stay.

    Args:
        jobs: the inputs.
        settings: of all.
        force: lift also what is done.
        workers: number of processes.
        finished: takes each result as it comes.
        progress: takes the number of inputs that are done, with fractions.
        run: lifts an input.
    """
    context = multiprocessing.get_context("spawn")  # threads of inference do not survive a fork
    stop, shares = context.Event(), context.Array("d", len(jobs), lock=False)
    waiting, attempts = deque(range(len(jobs))), Counter[int]()
    while waiting:
        pool = ProcessPoolExecutor(
            min(workers, len(waiting)), context, initializer=_begin, initargs=(stop, shares)
        )
        running: dict[Future[Result], int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    number = waiting[0]
                    with _signals_held():  # a process that starts inherits it: we stop them
                        task = pool.submit(_work, run, jobs[number], settings, force, number)
                    running[task] = waiting.popleft()  # not before: a broken pool takes nothing
                    attempts[number] += 1
                done, _ = wait(running, _LOOK, FIRST_COMPLETED)
                for task in done:
                    finished(task.result())
                    shares[running.pop(task)] = 1.0
                progress(sum(shares))
        except BrokenProcessPool:
            _sort_out(running, jobs, attempts, waiting, finished)
        except BaseException:
            stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _sort_out(
    running: dict[Future[Result], int],
    jobs: list[Job],
    attempts: Counter[int],
    waiting: deque[int],
    finished: Callable[[Result], object],
) -> None:
    """A process died: take what was finished all the same, and put the rest back in the queue."""
    for task, number in running.items():
        if task.done() and task.exception() is None:
            finished(task.result())
        elif attempts[number] < ATTEMPTS:
            waiting.appendleft(number)
        else:
            sentence = f"the process that lifted it died {ATTEMPTS} times; is memory short?"
            finished(Result(jobs[number], error=f"{jobs[number].shown}: {sentence}"))


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let Ctrl-C wait."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(stop: Any, shares: Any) -> None:
    global _stop, _shares  # the only way that a pool's initializer has
    _stop, _shares = stop, shares
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in worker processes"
    parent.join()
    os._exit(1)


def _work(run: Run, job: Job, settings: LiftSettings, force: bool, number: int) -> Result:
    def tell(share: float) -> None:
        _shares[number] = share
        if _stop.is_set():
            raise KeyboardInterrupt

    return run(job, settings, force, tell)


def failures(results: Iterable[Result]) -> list[Result]:
    """Return those that were not lifted."""
    return [result for result in results if result.error]
