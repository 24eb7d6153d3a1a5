"""`pstmo predict`, the old name of `pstmo lift`."""

from __future__ import annotations

import typer

from pstmo_core.cli.app import app
from pstmo_core.errors import PstmoError

_ANY = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command("predict", hidden=True, context_settings=_ANY)
def predict_command(context: typer.Context) -> None:
    """Say the new name."""
    raise PstmoError(
        f"`pstmo predict` is now `pstmo lift`, with the same options: pstmo lift "
        f"{' '.join(context.args) or 'CLIP -o OUT.npz'}"
    )
