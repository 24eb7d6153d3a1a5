"""What tests take for a fault in the log of `ros2 launch`."""

from __future__ import annotations

from launch_log import without_ignored_interrupts

LAUNCH = """\
[lifter_node-1] [INFO] [lifter]: active
Exception ignored in: <function WeakSet.__init__.<locals>._remove at 0x7f88b2394ae0>
Traceback (most recent call last):
  File "_weakrefset.py", line 39, in _remove
    def _remove(item, selfref=ref(self)):

KeyboardInterrupt
[WARNING] [launch]: user interrupted with ctrl-c (SIGINT)
"""
NODE = """\
[lifter_node-1] Exception ignored in: <function WeakSet.__init__.<locals>._remove>
[lifter_node-1] Traceback (most recent call last):
[lifter_node-1] KeyboardInterrupt
"""
FAULT = 'Traceback (most recent call last):\n  File "a.py", line 1\nKeyboardInterrupt\n'


def test_an_interrupt_that_launch_itself_ignored_is_no_fault() -> None:
    left = without_ignored_interrupts(LAUNCH)
    assert left.splitlines() == [LAUNCH.splitlines()[0], LAUNCH.splitlines()[-1]]


def test_what_a_node_says_and_what_ends_launch_are_faults() -> None:
    for log in (NODE, FAULT):
        assert without_ignored_interrupts(LAUNCH + log).endswith(log)
