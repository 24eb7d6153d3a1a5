"""The log of `ros2 launch` that was ended by Ctrl-C."""

from __future__ import annotations

import re

#: What Python says if a signal comes while it cleans up an object: launch's process then ignores
#: that exception, goes on, and is told of the signal by other means. Lines of nodes are told apart
#: by the name that they begin with.
_IGNORED = re.compile(
    r"^Exception ignored in: .*\nTraceback .*\n(?:(?: .*)?\n)*KeyboardInterrupt.*\n", re.M
)


def without_ignored_interrupts(log: str) -> str:
    """Return a log without the interrupts that launch's own process ignored."""
    return _IGNORED.sub("", log)
