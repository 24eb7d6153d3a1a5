"""Runs that must not hear other nodes get a DDS domain to themselves."""

from __future__ import annotations

import socket

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from pstmo_ros.own_domain import OwnDomain, _used_domains


def test_domains_that_are_held_at_once_are_different() -> None:
    held = [OwnDomain() for _ in range(5)]
    numbers = {domain.number for domain in held}
    assert len(numbers) == 5 and numbers <= _used_domains()
    for domain in held:
        domain.close()


def test_a_domain_in_which_a_node_listens_is_in_use() -> None:
    with OwnDomain() as domain:
        first_participant = 7400 + 250 * domain.number + 10
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node:
        node.bind(("127.0.0.1", first_participant))
        assert domain.number in _used_domains()
