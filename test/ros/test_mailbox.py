"""A mailbox holds the newest thing, never a queue, and lets nobody wait once it is closed."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from pstmo_ros.mailbox import Mailbox


def test_the_newest_is_taken_and_what_it_replaced_is_counted() -> None:
    mailbox: Mailbox[int] = Mailbox()
    assert [mailbox.put(number) for number in range(5)] == [False, True, True, True, True]
    assert mailbox.take() == 4
    assert mailbox.replaced == 4
    assert mailbox.put(5) is False


def test_who_waits_gets_what_comes_and_is_let_go_by_closing() -> None:
    mailbox: Mailbox[str] = Mailbox()
    taken: list[str | None] = []

    def work() -> None:
        while (item := mailbox.take()) is not None:
            taken.append(item)

    worker = threading.Thread(target=work)
    worker.start()
    mailbox.put("image")
    while not taken:
        time.sleep(0.001)
    mailbox.close()
    worker.join(5)
    assert not worker.is_alive()
    assert taken == ["image"]
    assert mailbox.take() is None


def test_closing_ends_a_sleep() -> None:
    mailbox: Mailbox[int] = Mailbox()
    threading.Timer(0.05, mailbox.close).start()
    began = time.monotonic()
    mailbox.sleep(10)
    assert time.monotonic() - began < 5
