"""The base class of errors that a user can fix: each says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable

LONGEST_QUOTE = 64
"""Characters of a foreign text that a message repeats: enough to recognise a name."""


class PstmoError(ValueError):
    """Wrong input, files or settings; commands print its sentence and exit with 2."""


class ConfigError(PstmoError):
    """A configuration that cannot be used, with a sentence that says what would be right."""


#: Small files can hold lists of lists that are endless when written out (YAML's aliases).
_short = reprlib.Repr()
_short.maxlevel = 3
_short.maxdict = _short.maxlist = _short.maxtuple = _short.maxset = LONGEST_QUOTE
_short.maxstring = _short.maxlong = _short.maxother = 4 * LONGEST_QUOTE


def quoted(value: object) -> str:
    """Repeat what came from outside: control characters escaped, the length bounded."""
    text = value if isinstance(value, str) else _short.repr(value)
    if len(text) <= LONGEST_QUOTE:
        return repr(value) if isinstance(value, str) else text
    return f"{text[:LONGEST_QUOTE]!r}... ({len(text)} characters)"


def printable(text: object) -> str:
    """Return a text that is safe to print on a terminal: what controls one is escaped.

    Names of files, people and topics may come from a stranger, and an escape sequence in one can
    hide what was printed before. Line ends stay.
    """
    return "".join(
        character if character.isprintable() or character == "\n" else repr(character)[1:-1]
        for character in str(text)
    )


def names_known(name: object, known: Iterable[str]) -> str:
    """Return the part of a sentence that names what was perhaps meant, and all known names."""
    known = list(known)
    # The search for the nearest name grows with the square of a name's length.
    close = difflib.get_close_matches(str(name)[:LONGEST_QUOTE].lower(), known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}known are {', '.join(known)}"


def how_to_install(extra: str) -> str:
    """Return the part of a sentence that says how to install an optional part of the package."""
    return f"pip install '.[{extra}]' in a clone of pstmo_ros, or 'FILE.whl[{extra}]' of a wheel"
