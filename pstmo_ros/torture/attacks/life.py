"""Cycles through the states of a node's life, and signals in each of them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from pstmo_ros.torture.node_process import NodeProcess
from pstmo_ros.torture.peer import CYCLE_DOWN, CYCLE_UP, PATIENCE, Peer
from pstmo_ros.torture.stand import Outcome, Stand

_MOMENTS = ("starting", "unconfigured", "inactive", "active", "under load")
_LEAST = 100
"""Cycles, however short the time is."""
SLACK, GROWTH = 12.0, 0.05
"""MB that the allocator may hold on to, and MB a cycle beyond it that are called a leak."""


def lifter_cycles(stand: Stand) -> Outcome:
    """The lifter through configure, activate, deactivate and clean up, with frames in between."""
    process, peer = stand.lifter()
    peer.transit(*CYCLE_DOWN)

    def work() -> bool:
        return peer.is_heard() and peer.is_answered()

    return _cycles(stand, process, peer, work)


def detector_cycles(stand: Stand) -> Outcome:
    """The detector through the same, loading its network each time."""
    namespace = stand.namespace()
    parameters = {"detector": "simulation", "image_transport": "raw", "autostart": "false"}
    process = stand.node(namespace, "detector_node", parameters=parameters)
    peer = stand.peer(namespace, "detector")
    peer.state()
    stand.start_clock()
    return _cycles(stand, process, peer, lambda: True)


def _cycles(stand: Stand, process: NodeProcess, peer: Peer, work: Callable[[], bool]) -> Outcome:
    done = good = 0
    # The allocator has what it needs after some cycles; from then on nothing may grow.
    warm, first = 5, process.resources()
    while (stand.has_time or done < _LEAST) and process.is_alive:
        passed = all(peer.transit(*CYCLE_UP)) and work() and all(peer.transit(*CYCLE_DOWN))
        done, good = done + 1, good + passed
        if done == warm:
            first = process.resources()
    if not process.is_alive:
        return Outcome(f"{done} cycles", f"DEAD: {process.log[-300:]}", False)
    last = process.resources()
    allowed = SLACK + GROWTH * done
    steady = last.memory - first.memory < allowed and last.handles <= first.handles + 2
    result = f"{good} good; after {warm}: {first}; at the end: {last}"
    return Outcome(f"{done} cycles", result, good == done and steady)


def signals(stand: Stand) -> Outcome:
    """SIGINT and SIGTERM while starting, in every state and under load: a clean end each time."""
    tried: list[str] = []
    faults: list[str] = []
    slowest = 0.0
    for moment in _MOMENTS:
        for kind in (signal.SIGINT, signal.SIGTERM):
            process = _brought_to(stand, stand.peer(stand.namespace()), moment)
            began = time.monotonic()
            process.signal(kind)
            status = process.wait()
            slowest = max(slowest, time.monotonic() - began)
            tried.append(moment)
            # Before Python is up, its own handlers end it.
            allowed = {0, -kind.value, 130, 1} if moment == "starting" else {0}
            if status not in allowed or (moment != "starting" and "Traceback" in process.log):
                faults.append(f"{kind.name} {moment}: status {status}, {process.log[-200:]}")
    result = "; ".join(faults) or f"all ended cleanly, the slowest in {slowest:.1f} s"
    return Outcome(f"{len(tried)} signals in {len(_MOMENTS)} states", result, not faults)


def kills(stand: Stand) -> Outcome:
    """SIGKILL while starting, in every state and under load, and a new node in its place."""
    done = back = 0
    slowest = 0.0
    while stand.has_time or done < len(_MOMENTS):
        peer = stand.peer(stand.namespace())
        process = _brought_to(stand, peer, _MOMENTS[done % len(_MOMENTS)])
        process.signal(signal.SIGKILL)
        process.wait()
        process = stand.node(peer.get_namespace())
        took = peer.recovery(4 * PATIENCE)
        process.end()
        done, back = done + 1, back + (took is not None)
        slowest = max(slowest, took or 0.0)
    result = f"the next node answered {back} times, {slowest:.1f} s after its start at most"
    return Outcome(f"{done} kills in {len(_MOMENTS)} states", result, back == done)


def _brought_to(stand: Stand, peer: Peer, moment: str) -> NodeProcess:
    """Start a lifter where a peer is, and bring it to a moment of its life."""
    process = stand.node(peer.get_namespace(), parameters={"autostart": "false"})
    if moment == "starting":
        time.sleep(float(stand.rng.uniform(0.1, 0.8)))
        return process
    peer.state()
    peer.transit(*CYCLE_UP[: {"unconfigured": 0, "inactive": 1}.get(moment, 2)])
    if moment == "under load":
        peer.is_heard()
        for index in range(300):
            peer.keypoints.publish(peer.frame(index * 10_000_000))
    return process
