"""Loads code to compare with: a Python file with one function, measured in the same run."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pstmo_core.errors import PstmoError


def load_function(path: Path, name: str) -> Callable[..., Any]:
    """Return a function of a Python file. The file is run: give only one that you trust.

    Raises:
        PstmoError: if the file is missing, cannot be run, or has no such function.
    """
    spec = importlib.util.spec_from_file_location(f"pstmo_against_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise PstmoError(f"{path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses in it look themselves up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise PstmoError(f"{path}: cannot be run ({type(error).__name__}: {error})") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise PstmoError(f"{path}: has no function {name}(...)")
    return function  # type: ignore[no-any-return]
