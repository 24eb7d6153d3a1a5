"""The command `pstmo` and its groups, to which the other files of this folder add commands."""

from __future__ import annotations

import inspect
import logging
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from pstmo_core.errors import PstmoError, how_to_install, printable

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="P-STMO: 3D skeletons of people from videos, images and 2D keypoints (pstmo lift), and "
    "the training, evaluation and export of the networks that lift them.",
)

#: How a list is given, on every command.
LIST = "A,B,..."
DEBUG = "--debug"
_log = logging.getLogger("pstmo_core")


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option(DEBUG, help="Show the traceback of errors; allowed anywhere.")
    ] = False,
) -> None:
    """Options before the command. `--debug` is taken out of the arguments by `set_up_debugging`."""


def set_up_debugging(arguments: list[str]) -> list[str]:
    """Take `--debug` out of arguments, wherever it stands, and turn debugging on or off by it."""
    _log.setLevel(logging.DEBUG if DEBUG in arguments else logging.NOTSET)
    return [argument for argument in arguments if argument != DEBUG]


def report(sentence: object, trace: str = "") -> None:
    """Print an error: its sentence, after its traceback where the user is debugging.

    Args:
        sentence: what is wrong.
        trace: a traceback; empty: that of the exception that is being handled, if one is.
    """
    if _log.isEnabledFor(logging.DEBUG):
        typer.echo(printable(trace or traceback.format_exc()), err=True)
    typer.echo(printable(f"error: {sentence}"), err=True)


def say(sentence: object) -> None:
    """Print what names things from outside: files, people, topics."""
    typer.echo(printable(sentence))


def words(values: str | Sequence[str]) -> tuple[str, ...]:
    """Split an option's value at its commas; an option that is repeated adds to its list.

    A comma inside the value of a NAME=VALUE stays: only one before the next NAME= separates.
    """
    values = [values] if isinstance(values, str) else values
    parts = [
        part
        for value in values
        for part in re.split(r",(?=\s*\w+=)" if "=" in value else ",", value)
    ]
    return tuple(part.strip() for part in parts if part.strip())


def numbers(option: str, values: str | Sequence[str], least: int = 1) -> tuple[int, ...]:
    """Split an option's value at its commas into whole numbers.

    Raises:
        PstmoError: if one is none, or below `least`, or there are none.
    """
    parts = words(values)
    if not parts or not all(part.isdecimal() and int(part) >= least for part in parts):
        raise PstmoError(
            f"{option} is {','.join(parts)!r}, but must be whole numbers, {least} or more, as in "
            "1,4,16"
        )
    return tuple(map(int, parts))


def group(name: str, description: str) -> typer.Typer:
    """Add a group of commands, `pstmo NAME ...`."""
    commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=description)
    app.add_typer(commands, name=name)
    return commands


def run_script(main: Callable[..., object]) -> None:
    """Run a script's function with the arguments of the command line, as `pstmo` runs a command.

    The script's first lines are its help.
    """
    script = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
    )
    text = inspect.getdoc(inspect.getmodule(main)) or ""
    parts = [f"\b\n{part}" if part.startswith(" ") else part for part in text.split("\n\n")]
    script.command(help="\n\n".join(parts))(main)
    try:
        script()
    except (PstmoError, OSError) as error:
        report(error)
        sys.exit(2)


def require_training() -> None:
    """Say how to get torch and its companions where they are missing.

    Raises:
        PstmoError: if torch cannot be imported.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise PstmoError(
            f"this command needs torch and its companions: {how_to_install('train')}"
        ) from error
