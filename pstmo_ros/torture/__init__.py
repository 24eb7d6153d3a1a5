"""Attacks the nodes and says what came of it: `ros2 run pstmo_ros torture`.

A minute by default, an hour with `--seconds 3600`; every attack gets an equal share of it, but
is always carried out once. Nodes are started as processes of their own, in a DDS domain and in
folders of their own: nothing of the user's is touched. The soak runs only when it is named:
`ros2 run pstmo_ros torture --only soak --seconds 3600`.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pstmo_core.bench.machine import describe_machine


def main(args: Sequence[str] | None = None) -> int:
    """Attack; returns 0 if the nodes stood everything, else 1."""
    options = _options(args)
    # Before ROS is loaded, so that all processes see it.
    os.environ["ROS_DOMAIN_ID"] = str(options.domain or random.randrange(1, 101))
    local = os.environ.get("ROS_DISTRO") == "humble"
    os.environ["ROS_LOCALHOST_ONLY" if local else "ROS_AUTOMATIC_DISCOVERY_RANGE"] = (
        "1" if local else "LOCALHOST"
    )
    import rclpy

    rclpy.init(args=[])
    try:
        return _attack(options)
    except KeyboardInterrupt:
        return 130
    finally:
        rclpy.try_shutdown()


def _attack(options: argparse.Namespace) -> int:
    from pstmo_ros.torture.catalogue import ATTACKS, SOAK
    from pstmo_ros.torture.report import insert, table
    from pstmo_ros.torture.stand import AttackError, Outcome, Stand

    known = {attack.name: attack for attack in (*ATTACKS, SOAK)}
    chosen = [known[name] for name in options.only] or list(ATTACKS)
    outcomes = []
    for number, attack in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {attack.name}: {attack.title}", flush=True)
        began = time.monotonic()
        try:
            with Stand(options.seconds / len(chosen), options.seed) as stand:
                outcome = attack.run(stand)
        except (AttackError, OSError) as error:
            outcome = Outcome("0", str(error), False)
        outcomes.append((attack, outcome))
        word = "passed" if outcome.passed else "FAILED"
        took = time.monotonic() - began
        print(f"    {word} in {took:.0f} s: {outcome.count}: {outcome.result}", flush=True)
    if options.output is not None:
        conditions = (
            f"Run on {date.today():%Y-%m-%d} with `--seconds {options.seconds:g} --seed "
            f"{options.seed}` on {describe_machine()}."
        )
        path: Path = options.output
        document = path.read_text() if path.exists() else ""
        name = "soak" if chosen == [SOAK] else "torture"
        path.write_text(insert(document, table(outcomes, conditions), name))
        print(path)
    return 0 if all(outcome.passed for _, outcome in outcomes) else 1


def _options(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="torture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--seconds", type=float, default=60.0, help="time for all attacks, beside their starts (60)"
    )
    add("--only", nargs="+", default=[], metavar="NAME", help="these attacks only; see --list")
    add("--seed", type=int, default=0, help="of what is left to chance (0)")
    add("--domain", type=int, help="ROS_DOMAIN_ID (by default one at random)")
    add("-o", "--output", type=Path, help="a Markdown file into which the table is written")
    add("--list", action="store_true", help="name the attacks and end")
    options = parser.parse_args(args)
    from pstmo_ros.torture.catalogue import ATTACKS, SOAK

    names = [attack.name for attack in (*ATTACKS, SOAK)]
    if options.list:
        for attack in (*ATTACKS, SOAK):
            print(f"{attack.name:18}{attack.title}")
        sys.exit(0)
    if wrong := sorted(set(options.only) - set(names)):
        parser.error(f"there is no attack {wrong[0]!r}; there are {', '.join(names)}")
    return options
