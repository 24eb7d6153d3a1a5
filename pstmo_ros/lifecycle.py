"""A lifecycle node that says why a transition failed, and survives errors in callbacks."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile

from pstmo_core.errors import PstmoError
from pstmo_ros.clock_watch import watch_clock
from pstmo_ros.drops import DropCounter
from pstmo_ros.guarded_callback import guarded
from pstmo_ros.memory import give_back


class GuardedNode(LifecycleNode):
    """A subclass defines `_configure` and `_activate`, and how what they make is released.

    A `PstmoError` in a transition refuses it, with one line in the log; rclpy alone would swallow
    the exception silently. An exception in a callback of a subscription, a timer or a parameter
    would end the process; here it is counted as `internal` and logged, and further ones are served.
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
        survived = guarded(self, callback, self.report)
        return super().create_subscription(msg_type, topic, survived, *args, **options)

    def create_timer(
        self, timer_period_sec: float, callback: Callable[..., None], *args: Any, **options: Any
    ) -> Any:
        """See `Node.create_timer`."""
        survived = guarded(self, callback, self.report)
        return super().create_timer(timer_period_sec, survived, *args, **options)

    def add_on_set_parameters_callback(
        self, callback: Callable[[list[Parameter]], SetParametersResult]
    ) -> None:
        """See `Node.add_on_set_parameters_callback`."""

        def surviving(changes: list[Parameter]) -> SetParametersResult:
            try:
                return callback(changes)
            except Exception as error:
                self.report("internal", f"a parameter was not set:\n{traceback.format_exc()}")
                return SetParametersResult(successful=False, reason=str(error))

        super().add_on_set_parameters_callback(surviving)

    def destroy_node(self) -> None:
        """Take the node off the network, with its services.

        rclpy keeps the services of the state machine until they are garbage-collected. Until then
        they would receive requests to another node of this name and never answer.
        """
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()

    def start(self) -> bool:
        """Configure and activate; return whether the node is active, else it is unconfigured."""
        done, refused = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
        if self.trigger_configure() != done:
            return False
        activated = self.trigger_activate()
        if activated == refused and self.context.ok():
            self.trigger_cleanup()
        return bool(activated == done)

    @property
    def state(self) -> str:
        """Of the node's life: unconfigured, inactive, active, finalized, or on the way to one."""
        return str(self._state_machine.current_state[1])

    @property
    def is_unconfigured(self) -> bool:
        """Whether no transition has begun yet, or clean-up has ended."""
        return self.state == "unconfigured"

    def prepare(self) -> None:
        """Do in advance what `_configure` needs long for; called in another thread.

        It touches nothing of ROS but parameters, and keeps what it made (`Prepared`).
        """

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
        """Return a publisher that works while the node is active and is destroyed at clean-up."""
        publisher = self.create_lifecycle_publisher(kind, topic, qos)
        self._release_on_cleanup.append(lambda: self.destroy_lifecycle_publisher(publisher))
        return publisher

    def report(self, reason: str, fault: str) -> None:
        """Count a fault and log it, unless the same reason was logged just now."""
        if line := self.drops.add(reason, fault, time.monotonic_ns()):
            self.get_logger().error(line)

    def warn(self, reason: str, sentence: str) -> None:
        """Count and log, as `report` does, what cannot be used and is no fault of this node."""
        if line := self.drops.add(reason, sentence, time.monotonic_ns()):
            self.get_logger().warning(line)

    # Transitions

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._guarded("configure", self._configure, super().on_configure, state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._guarded("activate", self._activate, super().on_activate, state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._guarded("deactivate", self._deactivate, super().on_deactivate, state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._guarded("clean up", self._release, super().on_cleanup, state)
        give_back()
        return result

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
            if verb == "activate":  # it stays configured
                self._deactivate()
                super().on_deactivate(state)
            else:
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


def call_all(releases: list[Callable[[], object]]) -> None:
    """Call and remove all functions, the last one first."""
    while releases:
        releases.pop()()
