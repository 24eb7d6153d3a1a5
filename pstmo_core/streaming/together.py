"""Frames of several cameras, lifted in one inference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.streaming.lifter import NO_POSES, StreamLifter
from pstmo_core.streaming.reading import Due
from pstmo_core.streaming.skeleton_frame import SkeletonFrame


def push_together(
    frames: Sequence[tuple[StreamLifter, KeypointFrame]],
) -> list[list[SkeletonFrame]]:
    """Take in a frame of each of several streams and lift everybody in one inference.

    Args:
        frames: streams with the same network, no stream twice, and a frame of each. Streams that
            share no cache of embeddings are lifted one after the other.

    Returns:
        The answers of each stream, as `StreamLifter.push` gives them; they may differ from those by
        rounding (below 1e-5 m).
    """
    if len({id(stream.reading.memory) for stream, _ in frames}) != 1:
        return [stream.push(frame) for stream, frame in frames]
    planned: list[tuple[StreamLifter, list[Due]]] = [
        (stream, stream.plan(frame)) for stream, frame in frames
    ]
    due = [each for _, dues in planned for each in dues]
    somebody = any(each.ids for each in due)
    lifted = frames[0][0].reading.lift(due) if somebody else NO_POSES
    ends = list(accumulate(sum(len(each.ids) for each in dues) for _, dues in planned))
    return [
        stream.finish(dues, lifted[begin:end])
        for (stream, dues), begin, end in zip(planned, [0, *ends], ends, strict=False)
    ]
