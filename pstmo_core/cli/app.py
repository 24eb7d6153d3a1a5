"""The command `pstmo` and its groups, to which the other files of this folder add commands."""

from __future__ import annotations

import typer

from pstmo_core.errors import PstmoError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="P-STMO: lifts 2D keypoints of people to 3D skeletons; trains, measures and exports the "
    "networks that do it.",
)


def group(name: str, description: str) -> typer.Typer:
    """Add a group of commands, `pstmo NAME ...`."""
    commands = typer.Typer(no_args_is_help=True, help=description)
    app.add_typer(commands, name=name)
    return commands


def require_training() -> None:
    """Say how to get torch and its companions where they are missing.

    Raises:
        PstmoError: if torch cannot be imported.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise PstmoError(
            "this command needs torch and its companions: "
            "pip install -e '.[train]' in the repository"
        ) from error
