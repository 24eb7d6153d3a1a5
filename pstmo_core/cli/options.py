"""Command-line options made of settings, so that a sentence and a range are written once."""

from __future__ import annotations

from typing import Any

import typer

from pstmo_core.settings import declaration, limits


def option(group: type[Any], name: str, more: str = "", **options: Any) -> Any:
    """Return the option of a setting; the dataclass checks its value.

    Args:
        group: the dataclass that declares the setting.
        name: the setting.
        more: what holds on the command line only, a sentence.
        options: further arguments of `typer.Option`.
    """
    field = declaration(group, name)
    choices = ", ".join(map(str, field.metadata["choices"]))
    allowed = f"One of {choices}." if choices else _sentence(limits(field))
    parts = (field.metadata["description"], allowed, more)
    return typer.Option(help=" ".join(part for part in parts if part), **options)


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[0].upper()}{text[1:]}." if text else ""
