"""A DDS domain that nothing else on this machine uses, for runs that must not hear other nodes."""

from __future__ import annotations

import random
import socket
from pathlib import Path

#: Ports of domain d begin at 7400 + 250 d (DDS-RTPS, 9.6.1).
_BASE, _GAIN = 7400, 250
#: Domains whose ports no other program gets by chance on Linux.
_DOMAINS = range(1, 101)
_TABLES = (Path("/proc/net/udp"), Path("/proc/net/udp6"))


class OwnDomain:
    """Takes a domain of which no port is open, and keeps it from others until it is closed.

    The last port of the domain, which only the 120th participant would get, is held open: so all
    who look for a free domain see that it is taken. `number` is the value of ROS_DOMAIN_ID.
    """

    def __init__(self) -> None:
        used = _used_domains()
        for number in random.sample(_DOMAINS, len(_DOMAINS)):
            if number in used:
                continue
            self._held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._held.bind(("127.0.0.1", _BASE + _GAIN * (number + 1) - 1))
            except OSError:  # somebody else took it in this moment
                self._held.close()
                continue
            self.number = number
            return
        raise RuntimeError("all DDS domains from 1 to 100 are in use on this machine")

    def __enter__(self) -> OwnDomain:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the domain back."""
        self._held.close()


def _used_domains() -> set[int]:
    """Return the domains of all open UDP ports; none where the system does not list them."""
    lines = [line for table in _TABLES if table.exists() for line in _rows(table)]
    ports = [int(line.split()[1].rsplit(":", 1)[1], 16) for line in lines]
    return {(port - _BASE) // _GAIN for port in ports}


def _rows(table: Path) -> list[str]:
    return table.read_text().splitlines()[1:]
