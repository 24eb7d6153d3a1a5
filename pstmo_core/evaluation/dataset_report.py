"""The Markdown tables of an evaluation on a data set, in the form of the paper's."""

from __future__ import annotations

from typing import Any

from pstmo_core.data.sequences.h36m import ACTIONS

_ERRORS = {
    "mpjpe": "MPJPE", "p_mpjpe": "P-MPJPE", "n_mpjpe": "N-MPJPE", "mpjve": "MPJVE",
    "acceleration": "acceleration",
}  # fmt: skip
_SHARES = {"pck": "PCK@150", "auc": "AUC"}
_UNITS = (
    "Errors in mm, MPJVE in mm a frame, acceleration in mm a frame squared, PCK and AUC in percent."
)


def dataset_tables(report: dict[str, Any]) -> str:
    """Return the tables of a report of `evaluate_weights`.

    Human3.6M has the 15 actions as columns and the mean over actions, as Table 1 of the paper; the
    others have a row a sequence or action, and the mean over frames, as Table 2.
    """
    kind = report["kind"]
    head = f"{report['dataset']}: {report['frames']} frames of {report['sequences']} sequences"
    parts = [f"{head}; {describe(report['protocol'])}. {_UNITS}"]
    if kind == "h36m":
        parts.append(_by_action(report))
        parts.append(_rows(report, "subject", {}))
    else:
        group = "sequence" if kind == "mpi_inf_3dhp" else "action"
        mean = report["mean"]["frames"] | {"frames": report["frames"]}
        parts.append(_rows(report, group, {"all frames": mean}))
    joints = report["joint"]
    parts.append(_table(["joint", *joints], [["MPJPE", *map(_shown, joints.values())]]))
    return "\n\n".join(parts)


def describe(protocol: dict[str, Any]) -> str:
    """Say in words how a network was asked."""
    look_ahead, spoiled = protocol["look_ahead"], protocol["corruption"]
    words = ["centre frame (MOFA)" if look_ahead is None else f"look-ahead {look_ahead}"]
    words.append(f"TDS {protocol['tds']}")
    words += ["flip averaged"] if protocol["flip"] else []
    words += ["refined"] if protocol["refine"] else []
    words += [f"noise of {spoiled['noise']:g}"] if spoiled["noise"] else []
    words += ["frames shuffled"] if spoiled["shuffle"] else []
    for name in ("missing_joints", "missing_frames"):
        words += [f"{spoiled[name]:.0%} {name.replace('_', ' ')}"] if spoiled[name] else []
    return ", ".join(words)


def _by_action(report: dict[str, Any]) -> str:
    """Return a table with the actions as columns; others than the 15 follow them."""
    actions, mean = report["action"], report["mean"]["actions"]
    names = [*ACTIONS, *(name for name in actions if name not in ACTIONS)]
    rows = [
        [
            label,
            *(_shown(actions.get(name, {}).get(metric)) for name in names),
            _shown(mean[metric]),
        ]
        for metric, label in _ERRORS.items()
    ]
    return _table(["", *(ACTIONS.get(name, name) for name in names), "Avg"], rows)


def _rows(report: dict[str, Any], group: str, last: dict[str, dict[str, Any]]) -> str:
    columns = _SHARES | _ERRORS
    rows = [
        [name, *(_shown(values[metric]) for metric in columns), str(values["frames"])]
        for name, values in (report[group] | last).items()
    ]
    return _table([group, *columns.values(), "frames"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
