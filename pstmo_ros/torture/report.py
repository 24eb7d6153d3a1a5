"""The table of what was attacked, how often, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable

from pstmo_ros.torture.stand import Attack, Outcome

BEGIN, END = "<!-- torture: begin -->", "<!-- torture: end -->"
"""Between these lines of a document lies what this program writes."""


def table(outcomes: Iterable[tuple[Attack, Outcome]], conditions: str) -> str:
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
    return "\n".join(lines)


def insert(document: str, text: str) -> str:
    """Return a document with the text in its place: between the two marks, or at its end."""
    before, begin, rest = document.partition(BEGIN)
    after = rest.partition(END)[2] if begin else "\n"
    return f"{before}{BEGIN}\n{text}\n{END}{after}"
