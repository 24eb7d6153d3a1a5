"""The option `--set` of commands that lift: any setting of the stream by its name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from pstmo_core.errors import ConfigError
from pstmo_core.streaming.config import StreamConfig

SettingsOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE,...",
        help="Parameters of the lifter's stream other than their defaults, e.g. "
        "joint_cutoff=0,min_score=0.1: config/lifter.yaml explains them.",
    ),
]

_BOOLEANS = {"true": True, "false": False}


def stream_settings(assignments: Iterable[str]) -> dict[str, Any]:
    """Read settings of the stream from texts NAME=VALUE.

    Raises:
        ConfigError: if one is not known, or its value is of another kind.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(StreamConfig)}
    values: dict[str, Any] = {}
    for text in assignments:
        name, _, value = text.partition("=")
        if name not in defaults:
            raise ConfigError(f"no setting of the stream is {name!r}: {', '.join(defaults)}")
        kind: type = type(defaults[name])
        try:
            values[name] = _BOOLEANS[value.lower()] if kind is bool else kind(value)
        except (ValueError, KeyError) as error:
            must = {bool: "true or false", int: "a whole number"}.get(kind, "a number")
            raise ConfigError(f"{name} is {value!r}, but must be {must}") from error
    return values
