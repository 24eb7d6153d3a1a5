"""The command `pstmo`, as tests call it."""

from __future__ import annotations

from collections.abc import Callable

#: Takes the arguments; returns the exit code, what was printed, and what was said of errors.
Command = Callable[..., tuple[int, str, str]]
