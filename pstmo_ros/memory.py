"""Memory that a node needs no more goes back to the system."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Free what nobody holds, and give free memory back where the C library can (glibc).

    Callbacks and what they are of refer to each other, and so hold a network of tens of MB until
    Python looks for such circles, often after the next one has been loaded. The C library keeps
    what is freed in pieces, and a network loaded by another thread may find no room in them.
    """
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
