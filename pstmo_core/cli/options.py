"""Command-line options that several commands share, and options made of settings."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pstmo_core.settings import declaration, limits

Model = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        help="An ONNX file, or stmo_27 (the default) or stmo_live, which are shipped.",
    ),
]
Fps = Annotated[
    float | None, typer.Option(help="Frame rate, where the input has none; folders need it.")
]
Size = Annotated[
    tuple[int, int] | None,
    typer.Option(
        metavar="WIDTH HEIGHT", help="Image size of a keypoint file that does not state it."
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        help="Layout of a keypoint file that does not state it: a name, or a YAML file "
        "(docs/formats.md)."
    ),
]
StreamSettings = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE,...",
        help="Settings of the lifter that differ from their defaults, e.g. "
        "joint_cutoff=0,min_score=0.1; config/lifter.yaml explains them.",
    ),
]
BaselineName = Annotated[str, typer.Option(help="Name of the baseline in the report.")]
Turns = Annotated[int, typer.Option(min=1, help="How often everything is measured.")]


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
