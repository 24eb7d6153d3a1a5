"""The table of the attacks: how often each was made, and the result."""

from __future__ import annotations

from collections.abc import Sequence

from pstmo_ros.torture.stand import Attack, Outcome


def table(outcomes: Sequence[tuple[Attack, Outcome]], conditions: str) -> str:
    """Return a Markdown table with a line an attack, under a sentence on the conditions."""
    lines = [
        conditions,
        "",
        "| Attack | Count | Result | Passed | Command |",
        "|---|---|---|---|---|",
    ]
    for attack, outcome in outcomes:
        result = " ".join(outcome.result.replace("|", "/").split())
        passed = "yes" if outcome.passed else "**no**"
        command = f"`ros2 run pstmo_ros torture --only {attack.name}`"
        lines.append(f"| {attack.title} | {outcome.count} | {result} | {passed} | {command} |")
    tables = [outcome.table for _, outcome in outcomes if outcome.table]
    return "\n\n".join(["\n".join(lines), *tables])


def insert(document: str, text: str, name: str) -> str:
    """Return a document with the text between two marks of this name, or at its end with them."""
    first, last = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = document.partition(first)
    after = rest.partition(last)[2] if found else "\n"
    return f"{before}{first}\n{text}\n{last}{after}"
