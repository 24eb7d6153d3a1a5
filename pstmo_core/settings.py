"""One declaration of a setting: its default, what it means, and which values it may have.

A dataclass whose fields are made by `setting` checks itself with `check_settings`; the same
declaration becomes a ROS parameter, a commented line of a parameter file, a command-line option and
a row of the reference, so that a sentence or a range is written once.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pstmo_core.errors import ConfigError, names_known, quoted

#: What a value has to be, by the type of the default.
KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}
#: Whether a value is of the kind; True and False are no numbers here, NumPy's numbers are.
_IS_OF_KIND: dict[type, Callable[[Any], bool]] = {
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: lambda value: isinstance(value, numbers.Real) and not isinstance(value, bool),
    str: lambda value: isinstance(value, str),
}
_COUNTS = {2: "two", 3: "three", 4: "four"}


def user_path(path: Path | str) -> Path:
    """Return a path that a user gives, with the home folder for ~; of an unknown user as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def setting(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    below: float | None = None,
    special: float | None = None,
    unit: str = "",
    choices: Sequence[Any] = (),
    change: str = "",
) -> Any:
    """Declare a field of a dataclass that is a setting.

    Args:
        default: its default; its type is the type of the setting. A tuple's settings are as many
            numbers, each of which must be in the range.
        description: what it means, in a sentence or two.
        low: least value, allowed itself.
        high: greatest value, allowed itself.
        below: what the value must be below, instead of `high`.
        special: a value outside the range that is allowed as well; the description says what it
            means.
        unit: of the value, for example "s".
        choices: the only values allowed.
        change: a sentence on when it can be changed, where it can be changed at all.
    """
    metadata = {
        "description": description,
        "low": low,
        "high": high,
        "below": below,
        "special": special,
        "unit": unit,
        "choices": tuple(choices),
        "change": change,
    }
    return dataclasses.field(default=default, metadata=metadata)


def share_setting(default: float, description: str) -> Any:
    """Declare a setting that is a share, from 0 to 1."""
    return setting(default, description, low=0.0, high=1.0)


def check_settings(group: Any, prefix: str = "") -> None:
    """Check kind, range and choices of the settings of a dataclass; None as a default is not bound.

    Args:
        group: the dataclass; fields that are no settings are left alone.
        prefix: what the user writes before the names.

    Raises:
        ConfigError: if a value is not allowed; says what would be, and what the setting means.
    """
    for field in dataclasses.fields(group):
        value, meta = getattr(group, field.name), field.metadata
        if "description" in meta and not is_allowed(value, field):
            raise ConfigError(
                f"{prefix}{field.name} is {quoted(value)}, but must be {rule(field)}: "
                f"{meta['description']}"
            )


def read_assignments(group: type[Any], assignments: Iterable[str], what: str) -> dict[str, Any]:
    """Read settings of a dataclass from texts NAME=VALUE.

    Args:
        group: the dataclass; it checks the values when it is made of them.
        assignments: the texts; numbers of a list are separated by commas.
        what: what they are, for errors, for example "setting of the stream".

    Raises:
        ConfigError: if a name is not known, or its value is of another kind.
    """
    known = {field.name: field for field in dataclasses.fields(group)}
    values: dict[str, Any] = {}
    for text in assignments:
        name, _, value = text.partition("=")
        if name not in known:
            raise ConfigError(f"no {what} is {quoted(name)}: {names_known(name, known)}")
        try:
            values[name] = _from_text(value, known[name].default)
        except (ValueError, KeyError) as error:
            raise ConfigError(
                f"{name} is {quoted(value)}, but must be {rule(known[name])}"
            ) from error
    return values


def _from_text(text: str, default: Any) -> Any:
    if isinstance(default, bool):
        return {"true": True, "false": False}[text.lower()]
    if isinstance(default, tuple):
        return tuple(float(part) for part in text.split(","))
    return type(default)(text)


def rule(field: dataclasses.Field[Any], kinds: dict[type, str] = KINDS) -> str:
    """Say what values a setting allows, to stand after "must be".

    Args:
        field: the setting.
        kinds: how to say what the value has to be, by the type of the default.
    """
    meta = field.metadata
    if meta["choices"]:
        return "one of " + ", ".join(map(repr, meta["choices"]))
    if isinstance(field.default, tuple):
        return f"{_COUNTS[len(field.default)]} numbers{limits(field)}"
    return kinds.get(type(field.default), "a value") + limits(field)


def limits(field: dataclasses.Field[Any]) -> str:
    """Say the range of a setting, with a space before it; empty where it has none."""
    low, high, below = (field.metadata[name] for name in ("low", "high", "below"))
    unit = f" {field.metadata['unit']}" if field.metadata["unit"] else ""
    special = field.metadata["special"]
    if low is not None and high is not None:
        return f" between {low} and {high}{unit}" + (f", or {special}" * (special is not None))
    if low is not None and below is not None and below < float("inf"):
        return f" from {low} to below {below}{unit}"
    if low is not None:
        return f" of {low}{unit} or more"
    return f" in {field.metadata['unit']}" if unit else ""


def declaration(group: type[Any], name: str) -> dataclasses.Field[Any]:
    """Return the field that declares a setting of a dataclass."""
    return next(field for field in dataclasses.fields(group) if field.name == name)


def is_allowed(value: Any, field: dataclasses.Field[Any]) -> bool:
    """Say whether a setting allows a value of its type."""
    meta, default = field.metadata, field.default
    if value is None and default is None:
        return True
    if meta["choices"]:
        return value in meta["choices"]
    if type(default) in _IS_OF_KIND and not _IS_OF_KIND[type(default)](value):
        return False
    if isinstance(default, tuple):
        fits = isinstance(value, (tuple, list)) and len(value) == len(default)
        return fits and all(_is_finite(each) and _is_within(each, meta) for each in value)
    return _is_within(value, meta)


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _is_within(value: Any, meta: Mapping[str, Any]) -> bool:
    """Say whether a value is in the range of a setting."""
    low, high, below = meta["low"], meta["high"], meta["below"]
    if (low is None and high is None and below is None) or (
        meta["special"] is not None and value == meta["special"]
    ):
        return True
    # Written so that NaN, for which no comparison holds, is refused.
    try:
        return (
            (low is None or low <= value)
            and (high is None or value <= high)
            and (below is None or value < below)
        )
    except TypeError:
        return False
