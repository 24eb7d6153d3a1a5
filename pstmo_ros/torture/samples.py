"""What was seen of a soaking node from time to time: kept in a CSV file, drawn as a figure."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pstmo_core.atomic_files import atomic_file


class Sample(NamedTuple):
    """A soaking node at one moment."""

    seconds: float
    """Since the first message."""
    memory: float
    """Resident, MB."""
    threads: int
    handles: int
    """Open files and sockets."""
    median: float
    """Milliseconds from receipt to answer in the last 10 s, as /diagnostics has it."""
    p99: float
    sent: int
    """Messages since the start."""
    answered: int
    """Skeletons with people since the start."""


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """Write samples as CSV, with a line of names.

    Raises:
        OSError: if the file cannot be written.
    """
    with atomic_file(path) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Sample._fields)
        writer.writerows([f"{value:.6g}" for value in sample] for sample in samples)


def read_samples(path: Path) -> list[Sample]:
    """Read what `write_samples` wrote.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open(newline="") as file:
        rows = [[float(row[name]) for name in Sample._fields] for row in csv.DictReader(file)]
    whole = [Sample._fields.index(name) for name in ("threads", "handles", "sent", "answered")]
    return [
        Sample(*(int(v) if i in whole else v for i, v in enumerate(row)))  # type: ignore[arg-type]
        for row in rows
    ]


def draw_samples(samples: Sequence[Sample], title: str, path: Path) -> None:
    """Draw memory, latency, handles and threads over the minutes.

    Raises:
        FigureError: if the name says no known format.
        OSError: if the file cannot be written.
    """
    from matplotlib.ticker import MaxNLocator

    from pstmo_core.figures.canvas import NORMAL, new_figure, save

    figure = new_figure(7.0, 5.5)
    memory, latency, counts = figure.subplots(3, 1, sharex=True)
    minutes = [sample.seconds / 60 for sample in samples]
    memory.plot(minutes, [sample.memory for sample in samples])
    memory.set_ylabel("memory (MB)")
    memory.set_ylim(0, 1.2 * max(sample.memory for sample in samples))
    for name, colour in (("median", "C0"), ("p99", "C1")):
        values = [getattr(sample, name) for sample in samples]
        latency.plot(minutes, values, label=name, color=colour)
    latency.set_ylabel("latency (ms)")
    latency.set_ylim(0, 1.25 * max((s.p99 for s in samples if s.p99 > 0), default=1.0))
    for name, colour in (("handles", "C2"), ("threads", "C3")):
        values = [getattr(sample, name) for sample in samples]
        counts.plot(minutes, values, label=name, color=colour)
    counts.set_ylim(0, 1.4 * max(max(sample.handles, sample.threads) for sample in samples))
    counts.yaxis.set_major_locator(MaxNLocator(integer=True))
    counts.set_xlabel("minutes")
    counts.set_xlim(0, max(minutes))
    for axes in (latency, counts):
        axes.legend(loc="upper right", ncols=2, fontsize=NORMAL, frameon=False)
    for axes in (memory, latency, counts):
        axes.grid(color="0.9")
    figure.suptitle(title, fontsize=NORMAL + 1)
    save(figure, path)


def main(args: Sequence[str] | None = None) -> int:
    """Draw a CSV file of samples: python -m pstmo_ros.torture.samples soak.csv soak.png."""
    parser = argparse.ArgumentParser(prog="samples", description=main.__doc__)
    parser.add_argument("samples", type=Path, help="what `torture --samples` wrote")
    parser.add_argument("figure", type=Path, help="the figure, .png or .svg")
    parser.add_argument("--title", default="", help="what stands above it")
    options = parser.parse_args(args)
    draw_samples(read_samples(options.samples), options.title, options.figure)
    print(options.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
