"""A lifecycle node whose transitions say what went wrong, and that survives whatever comes in."""

from __future__ import annotations

import functools
import time
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile

from pstmo_core.errors import PstmoError
from pstmo_ros.clock_watch import watch_clock
from pstmo_ros.drops import DropCounter


class GuardedNode(LifecycleNode):
    """A node defines `_configure` and `_activate`, and of what they make, how it is given back.

    A `PstmoError` in a transition is one line in the log and refuses it; rclpy swallows exceptions
    without a word. An exception in a callback of a subscription or timer would end the process: it
    is counted as `internal` and logged, and the next callbacks are served.
    """

    def __init__(self, name: str, **options: Any) -> None:
        self.drops = DropCounter()
        super().__init__(name, **options)
        self._release_on_deactivate: list[Callable[[], object]] = []
        self._release_on_cleanup: list[Callable[[], object]] = []
        self._survive_wrong_transitions()
        watch_clock(self)

    def create_subscription(
        self, msg_type: type, topic: str, callback: Callable[..., None], *args: Any, **options: Any
    ) -> Any:
        """See `Node.create_subscription`."""
        survived = self._survived(callback)
        return super().create_subscription(msg_type, topic, survived, *args, **options)

    def create_timer(
        self, timer_period_sec: float, callback: Callable[..., None], *args: Any, **options: Any
    ) -> Any:
        """See `Node.create_timer`."""
        return super().create_timer(timer_period_sec, self._survived(callback), *args, **options)

    def start(self) -> bool:
        """Configure and activate; return whether the node is active."""
        done = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == done and self.trigger_activate() == done

    def _configure(self) -> None:
        """Get ready."""

    def _activate(self) -> None:
        """Begin to work; lifecycle publishers are active already."""

    def _deactivate(self) -> None:
        """End what `_activate` began; lifecycle publishers are still active."""
        call_all(self._release_on_deactivate)

    def _release(self) -> None:
        """Give back everything, from any state; may be called again."""
        call_all(self._release_on_deactivate)
        call_all(self._release_on_cleanup)

    def publisher(self, kind: type, topic: str, qos: QoSProfile) -> Any:
        """Return a publisher that speaks while the node is active, until clean-up."""
        publisher = self.create_lifecycle_publisher(kind, topic, qos)
        self._release_on_cleanup.append(lambda: self.destroy_lifecycle_publisher(publisher))
        return publisher

    def report(self, reason: str, fault: str) -> None:
        """Count a fault and log it, unless the same reason was logged just now."""
        if line := self.drops.add(reason, fault, time.monotonic_ns()):
            self.get_logger().error(line)

    def _survived(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Return a callback that reports what one raises."""

        @functools.wraps(callback)  # rclpy asks for its signature
        def surviving(*args: Any) -> None:
            try:
                callback(*args)
            except Exception:
                if not self.context.ok():  # the end came meanwhile
                    raise
                self.report("internal", f"a callback failed:\n{traceback.format_exc()}")

        return surviving

    # Transitions

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._guarded("configure", self._configure, super().on_configure, state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._guarded("activate", self._activate, super().on_activate, state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._guarded("deactivate", self._deactivate, super().on_deactivate, state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._guarded("clean up", self._release, super().on_cleanup, state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._guarded("shut down", self._release, super().on_shutdown, state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._guarded("recover", self._release, super().on_error, state)

    def _guarded(
        self,
        verb: str,
        action: Callable[[], None],
        of_publishers: Callable[[LifecycleState], TransitionCallbackReturn],
        state: LifecycleState,
    ) -> TransitionCallbackReturn:
        try:
            if verb == "activate":  # publishers first: activation publishes
                of_publishers(state)
                action()
            else:
                action()
                of_publishers(state)
        except PstmoError as error:
            self._release()
            self.get_logger().error(f"cannot {verb}: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception:
            if not self.context.ok():  # the end came meanwhile
                return TransitionCallbackReturn.FAILURE
            self.get_logger().error(f"cannot {verb}:\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def _survive_wrong_transitions(self) -> None:
        """Answer a transition that the node's state does not allow.

        rclpy raises in the service's callback instead, which ends the process and leaves the
        client without an answer.
        """
        service = self._service_change_state
        change_state = service.callback

        def answer(request: Any, response: Any) -> Any:
            try:
                return change_state(request, response)
            except RuntimeError as error:  # rclpy's RCLError
                self.get_logger().warning(f"refused a transition: {error}")
                response.success = False
                return response

        service.callback = answer


def serve(node: GuardedNode) -> int:
    """Run a node, made active at once if its parameter `autostart` says so, until the end."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if node.get_parameter("autostart").value:
            node.start()
        executor.spin()
    finally:
        executor.shutdown()
    return 0


def call_all(releases: list[Callable[[], object]]) -> None:
    """Call and remove each, last first."""
    while releases:
        releases.pop()()
