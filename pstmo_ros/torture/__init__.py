"""Attacks the nodes and says what came of it: `ros2 run pstmo_ros torture`.

A minute by default, an hour with `--seconds 3600`; every attack gets an equal share of it, but
is always carried out once. Nodes are started as processes of their own, in a DDS domain and in
folders of their own: nothing of the user's is touched. Soaks and the grid of loads run only when
they are named:

    ros2 run pstmo_ros torture --only soak --seconds 3600 --samples soak.csv --plot soak.png
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pstmo_core.atomic_files import write_text
from pstmo_core.bench.machine import describe_machine
from pstmo_ros.own_domain import OwnDomain


def main(args: Sequence[str] | None = None) -> int:
    """Attack; returns 0 if the nodes stood everything, else 1."""
    options = _options(args)
    # Before ROS is loaded, so that all processes see it.
    own = None if options.domain else OwnDomain()
    os.environ["ROS_DOMAIN_ID"] = str(own.number if own else options.domain)
    local = os.environ.get("ROS_DISTRO") == "humble"
    os.environ["ROS_LOCALHOST_ONLY" if local else "ROS_AUTOMATIC_DISCOVERY_RANGE"] = (
        "1" if local else "LOCALHOST"
    )
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    # SIGTERM ends it as Ctrl-C does: by an exception, with ROS at work until the nodes have ended.
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _attack(options)
    except KeyboardInterrupt:
        return 130
    finally:
        rclpy.try_shutdown()


def _attack(options: argparse.Namespace) -> int:
    from pstmo_ros.torture.catalogue import ATTACKS, LONG
    from pstmo_ros.torture.report import insert, table
    from pstmo_ros.torture.samples import draw_samples, read_samples
    from pstmo_ros.torture.stand import AttackError, Outcome, Stand

    known = {attack.name: attack for attack in (*ATTACKS, *LONG)}
    chosen = [known[name] for name in options.only] or list(ATTACKS)
    outcomes = []
    for number, attack in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {attack.name}: {attack.title}", flush=True)
        began = time.monotonic()
        try:
            with Stand(
                options.seconds / len(chosen),
                options.seed,
                people=options.people,
                rate=options.rate,
                samples=options.samples,
            ) as stand:
                outcome = attack.run(stand)
        except (AttackError, OSError) as error:
            outcome = Outcome("0", str(error), False)
        outcomes.append((attack, outcome))
        word = "passed" if outcome.passed else "FAILED"
        took = time.monotonic() - began
        print(f"    {word} in {took:.0f} s: {outcome.count}: {outcome.result}", flush=True)
    if options.output is not None:
        given = "".join(
            f" --{name} {value:g}"
            for name in ("seconds", "seed", "people", "rate")
            if (value := getattr(options, name)) is not None
        )
        conditions = f"Run on {date.today():%Y-%m-%d} with `{given[1:]}` on {describe_machine()}."
        path: Path = options.output
        document = path.read_text() if path.exists() else ""
        name = chosen[0].name if len(chosen) == 1 and chosen[0] in LONG else "torture"
        section = options.section or name
        write_text(path, insert(document, table(outcomes, conditions), section))
        print(path)
    if options.plot is not None:
        _, outcome = outcomes[-1]
        draw_samples(read_samples(options.samples), outcome.count, options.plot)
        print(options.plot)
    return 0 if all(outcome.passed for _, outcome in outcomes) else 1


def _options(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="torture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--seconds",
        type=float,
        default=60.0,
        help="time for all attacks, without their starts (60)",
    )
    add("--only", nargs="+", default=[], metavar="NAME", help="these attacks only; see --list")
    add("--seed", type=int, default=0, help="of what is left to chance (0)")
    add(
        "--domain",
        type=int,
        help="ROS_DOMAIN_ID (by default one that nothing on this machine uses)",
    )
    add("--people", type=int, help="people of a soak (4)")
    add("--rate", type=float, help="messages per second of a soak (60; images: 10)")
    add("--samples", type=Path, help="a CSV file into which a soak writes what it sees")
    add("--plot", type=Path, help="a figure of these samples (.png or .svg); needs Matplotlib")
    add("-o", "--output", type=Path, help="a Markdown file into which the table is written")
    add("--section", help="name of the marks in that file between which the table stands")
    add("--list", action="store_true", help="name the attacks and end")
    options = parser.parse_args(args)
    from pstmo_ros.torture.catalogue import ATTACKS, LONG, SOAKS

    names = [attack.name for attack in (*ATTACKS, *LONG)]
    if options.list:
        for attack in (*ATTACKS, *LONG):
            print(f"{attack.name:18}{attack.title}")
        sys.exit(0)
    if wrong := sorted(set(options.only) - set(names)):
        parser.error(f"there is no attack {wrong[0]!r}; there are {', '.join(names)}")
    if (options.samples or options.plot) and options.only not in [[soak.name] for soak in SOAKS]:
        parser.error("--samples and --plot are for one soak: name it with --only")
    if options.plot and not options.samples:
        parser.error("--plot draws what --samples keeps: name that file, too")
    return options
