"""The root of the errors that a user can mend: each says what is wrong, where, and what to do."""

from __future__ import annotations

LONGEST_QUOTE = 64
"""Characters of a foreign text that a message repeats: enough to recognise a name."""


class PstmoError(ValueError):
    """Wrong input, files or settings; commands print its sentence and exit with 2."""


class ConfigError(PstmoError):
    """A configuration that cannot be used, with a sentence that says what would be right."""


def quoted(text: object) -> str:
    """Quote a text that came from outside: control characters escaped, the length bounded."""
    whole = str(text)
    if len(whole) <= LONGEST_QUOTE:
        return repr(whole)
    return f"{whole[:LONGEST_QUOTE]!r}... ({len(whole)} characters)"
