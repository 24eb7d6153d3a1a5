"""Domains of ROS in which nobody else on this machine speaks."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DOMAINS = range(1, 101)
"""Those whose ports lie below the ones that Linux gives to everybody."""


@contextmanager
def own_domain() -> Iterator[str]:
    """Give a domain that no other test on this machine has; it is free again afterwards.

    Two runs in one domain would hear each other, and requests to a node reach its namesake.
    """
    start = os.getpid() % len(_DOMAINS)
    for domain in (*_DOMAINS[start:], *_DOMAINS[:start]):
        path = Path(tempfile.gettempdir()) / f"pstmo_test_domain_{domain}.lock"
        try:
            handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:  # another user's
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _refuse_where_somebody_speaks(domain)
        except OSError:
            os.close(handle)
            continue
        try:
            yield str(domain)
        finally:
            os.close(handle)
        return
    raise RuntimeError(f"all domains are taken: remove {tempfile.gettempdir()}/pstmo_test_domain_*")


def _refuse_where_somebody_speaks(domain: int) -> None:
    """Raise OSError if a node that knows nothing of the locks has the first port of a domain.

    The first node of a domain on a machine listens there (RTPS 2.2, 9.6.1.1).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 7400 + 250 * domain + 10))
