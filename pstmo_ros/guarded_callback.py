"""Callbacks that report an error instead of ending the node's process."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.node import Node


def guarded(
    node: Node, callback: Callable[..., None], report: Callable[[str, str], None]
) -> Callable[..., None]:
    """Return a callback that reports an exception, so that further messages are served.

    Args:
        node: whose callback it is.
        callback: of a subscription or a timer.
        report: takes the reason `internal` and a sentence.
    """

    @functools.wraps(callback)  # rclpy asks for its signature
    def surviving(*args: Any) -> None:
        try:
            callback(*args)
        except Exception:
            if not node.context.ok():  # the end came meanwhile
                raise
            report("internal", f"a callback failed:\n{traceback.format_exc()}")

    return surviving
