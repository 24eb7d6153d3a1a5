"""Unusual machines: no home, nothing writable, other users, odd paths, checks turned on."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

from pstmo_core.runtime import shipped_model
from pstmo_ros.torture.peer import Peer
from pstmo_ros.torture.stand import Outcome, Stand

_NOBODY = 65534
ODD = "mit Umlauten äöü, 'quotes' und\nZeilen"
"""A folder's name."""


def homes(stand: Stand) -> Outcome:
    """No HOME, a HOME that is not there, nothing writable, and a user without rights."""
    cases: dict[str, dict[str, Any]] = {
        "no HOME": {"environment": {"HOME": None, "XDG_CACHE_HOME": None}},
        "HOME that is not there": {"environment": {"HOME": "/nonexistent", "XDG_CACHE_HOME": None}},
    }
    if os.getuid() != 0 or not _nobody_may_run():
        outcome = _starts(stand, cases)
        missing = "; user nobody not tried: that needs root and an interpreter that all may run"
        return dataclasses.replace(outcome, result=outcome.result + missing)
    environment = {"HOME": "/nonexistent", "XDG_CACHE_HOME": None, "ROS_LOG_DIR": str(stand.folder)}
    stand.folder.chmod(0o777)
    cases["user nobody"] = {"environment": environment, "become": _become_nobody}
    return _starts(stand, cases)


def paths(stand: Stand) -> Outcome:
    """The model, the cache and the log in folders with spaces, quotes, newlines and umlauts."""
    folder = stand.folder / ODD
    folder.mkdir()
    model = folder / "Modell ü.onnx"
    model.write_bytes(shipped_model().read_bytes())
    folder.chmod(0o555)
    yaml = '"' + str(model).replace("\n", "\\n") + '"'
    cases: dict[str, dict[str, Any]] = {
        "model": {"parameters": {"model": yaml}},
        "cache and C locale": {
            "environment": {"XDG_CACHE_HOME": str(folder), "LC_ALL": "C", "PYTHONUTF8": "0"}
        },
        "log": {"environment": {"ROS_LOG_DIR": str(stand.folder / "Protokoll ä")}},
    }
    outcome = _starts(stand, cases)
    folder.chmod(0o755)
    return outcome


def checked_fields(stand: Stand) -> Outcome:
    """Every message's fields checked as Humble does (ROS_PYTHON_CHECK_FIELDS=1)."""
    process, peer = stand.lifter(environment={"ROS_PYTHON_CHECK_FIELDS": "1"})
    asked = answered = 0
    while stand.has_time and process.is_alive:
        answered += peer.is_answered()
        asked += 1
    _, values = peer.status()
    result = f"{answered} of {asked} frames answered, {values.get('state', 'DEAD')}"
    clean = "dropped: internal" not in values and values.get("state") == "active"
    return Outcome(f"{asked} frames", result, clean and answered == asked > 0)


def _starts(stand: Stand, cases: dict[str, dict[str, Any]]) -> Outcome:
    faults = []
    for name, options in cases.items():
        namespace = stand.namespace()
        process, peer = stand.node(namespace, **options), stand.peer(namespace)
        if not _works(peer):
            faults.append(f"{name}: {process.log[-300:]}")
        process.end()
    result = "; ".join(faults) or f"answers in all: {', '.join(cases)}"
    return Outcome(f"{len(cases)} surroundings", result, not faults)


def _works(peer: Peer) -> bool:
    # The first answers are lost where the node does not know of this listener yet.
    return peer.is_heard(20.0) and peer.recovery() is not None


def _nobody_may_run() -> bool:
    """Say whether everybody may run this interpreter; it may lie in somebody's home."""
    parents = Path(sys.executable).resolve().parents
    return all(folder.stat().st_mode & 0o001 for folder in parents)


def _become_nobody() -> None:
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)
