"""Put the figures of `pstmo evaluate` into docs/model_card.md; its words stay as they are.

    pstmo evaluate FILE --mocap cmu_h36m17.npz -o reports/class.json
    pstmo evaluate FILE --mocap motion_more.npz --by action --windows 300 -o reports/action.json
    pstmo evaluate FILE --mocap motion_more.npz --by posture --windows 1500 -o reports/posture.json
    python scripts/write_model_card.py reports

A table of the card is replaced by the new one with the same head.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pstmo_core.atomic_files import write_text
from pstmo_core.cli.app import run_script

CARD = Path(__file__).parents[1] / "docs" / "model_card.md"
_GRAVITY, _FAULTS = "clean, gravity known", "detector faults"
_CENTRE = "centre, by MOFA"
_DELAYS = ("0", "1", "2", "4", "8", "13")

Rows = list[dict[str, Any]]


class _Report:
    """What `pstmo evaluate` wrote."""

    def __init__(self, path: Path) -> None:
        report = json.loads(path.read_text())
        self.by: str = report["by"]
        self.step_ms = round(report["model"]["step"] * 1e3)
        self._rows: Rows = report["rows"]

    def names(self, field: str) -> list[str]:
        """Return the values of a field in the order of the rows."""
        return list(dict.fromkeys(row[field] for row in self._rows))

    def of(self, shown: str, group: str, look_ahead: str = "0") -> dict[str, Any]:
        """Return the row of an input, a group and a look-ahead."""
        asked = {"input": shown, self.by: group, "look_ahead": look_ahead}
        return next(row for row in self._rows if asked.items() <= row.items())


def tables(folder: Path) -> list[str]:
    """Return the tables of the card."""
    classes, actions, postures = (
        _Report(folder / f"{name}.json") for name in ("class", "action", "posture")
    )
    accuracy = []
    for shown in classes.names("input"):
        newest = classes.of(shown, "own")
        row = [shown, *_mm(newest, "mpjpe", "n_mpjpe", "p_mpjpe", "knees"), _share(newest)]
        streamed = shown.endswith(", streamed")  # measured at look-ahead 0 alone
        centre = {} if streamed else classes.of(shown, "own", _CENTRE)
        accuracy.append([*row, *(_mm(centre, "mpjpe", "p_mpjpe") if centre else ["", ""])])
    head = "input|MPJPE|N-MPJPE|P-MPJPE|knees|within 2.5 sigma|centre MPJPE|centre P-MPJPE"
    made = [_table(head, accuracy)]
    delays = [
        [shown, *(f"{classes.of(shown, 'own', each)['mpjpe']:.1f}" for each in _DELAYS)]
        for shown in ("clean", _FAULTS)
    ]
    named = [f"{int(each) * classes.step_ms} ms" for each in _DELAYS]
    made.append(_table("|".join(["input", *named]), delays))
    made.append(
        _table(
            "action|MPJPE|P-MPJPE|gravity known|with faults|streamed|streamed, with faults",
            [
                [name, *_mm(actions.of("clean", name), "mpjpe", "p_mpjpe"), *_told(actions, name)]
                for name in actions.names("action")
            ],
        )
    )
    rows = []
    for name in postures.names("posture"):
        clean = postures.of("clean", name)
        errors = _mm(clean, "mpjpe", "n_mpjpe", "p_mpjpe") + _told(postures, name)
        rows.append([name, *errors, _share(clean)])
    head = (
        "posture|MPJPE|N-MPJPE|P-MPJPE|gravity known|with faults|streamed|streamed, with faults|"
        "within 2.5 sigma"
    )
    return [*made, _table(head, rows)]


def replaced(card: str, table: str) -> str:
    """Return a card with the table of the same head replaced.

    Raises:
        SystemExit: if the card has none.
    """
    head = table.split("\n", 1)[0]
    before, found, after = card.partition(head + "\n")
    if not found:
        raise SystemExit(f"{CARD.name} has no table with the head {head}")
    rest = after.split("\n")
    length = next(n for n, line in enumerate(rest) if not line.startswith("|"))
    return before + table + "\n" + "\n".join(rest[length:])


def _mm(row: dict[str, Any], *names: str) -> list[str]:
    return [f"{row[name]:.1f}" for name in names]


def _told(report: _Report, group: str) -> list[str]:
    shown = (_GRAVITY, _FAULTS, "clean, streamed", f"{_FAULTS}, streamed")
    return [f"{report.of(each, group)['mpjpe']:.1f}" for each in shown]


def _share(row: dict[str, Any]) -> str:
    return "" if row["covered"] is None else f"{row['covered']:.0%}"


def _table(head: str, rows: list[list[str]]) -> str:
    names = head.split("|")
    lines = [names, *rows]
    text = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([text[0], "|" + "---|" * len(names), *text[1:]])


def main(
    reports: Annotated[Path, typer.Argument(help="class.json, action.json, posture.json.")],
) -> None:
    """Write the tables into the card."""
    card = CARD.read_text()
    for table in tables(reports):
        card = replaced(card, table)
    write_text(CARD, card)


if __name__ == "__main__":
    run_script(main)
