"""The outputs that the parameters ask for, as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_ros.msg import Skeletons3D
from pstmo_ros.outputs.bodies import Bodies, safe_name
from pstmo_ros.outputs.detections import DetectionOutput
from pstmo_ros.outputs.frames import FrameOutput
from pstmo_ros.outputs.hri import HriOutput
from pstmo_ros.outputs.output import Output, Publish
from pstmo_ros.outputs.parameters import OutputParameters
from pstmo_ros.outputs.people import PeopleOutput
from pstmo_ros.outputs.points import PointOutput
from pstmo_ros.outputs.poses import PoseOutput


class AllOutputs:
    """Tells about people in every form that is asked for.

    Args:
        own: what is asked for.
        publish: makes publishers.
        withdraw: destroys a publisher.

    Raises:
        ConfigError: if what is asked for does not fit together.
        PstmoError: if messages are asked for that are not installed.
    """

    def __init__(
        self, own: OutputParameters, publish: Publish, withdraw: Callable[[Any], object]
    ) -> None:
        if own.publish_hri and own.publish_tf == "off":
            raise ConfigError(
                "publish_hri needs frames on TF, where REP-155 has the 3D skeletons: set "
                "publish_tf to links"
            )
        self._outputs: list[Output] = []
        if own.publish_tf != "off":
            self._outputs.append(FrameOutput(publish, own.publish_tf == "links"))
        if own.publish_poses:
            self._outputs.append(PoseOutput(publish))
        if own.publish_points:
            self._outputs.append(PointOutput(publish, own.points_spacing, own.points_radius))
        if own.publish_people:
            self._outputs.append(PeopleOutput(publish))
        if own.publish_detections:
            self._outputs.append(DetectionOutput(publish))
        if own.publish_hri:
            self._outputs.append(HriOutput(publish, withdraw))

    def see(self, frame: KeypointFrame) -> None:
        """Take note of what the camera saw, before it is lifted."""
        for output in self._outputs:
            output.see(frame)

    def tell(self, message: Skeletons3D, present: tuple[str, ...]) -> None:
        """Publish the people of a message; `present` are the ids of all who have not left."""
        if not self._outputs:
            return
        bodies, names = Bodies.of(message), tuple(map(safe_name, present))
        for output in self._outputs:
            output.tell(bodies, names)

    def close(self) -> None:
        """Say that nobody is there any more."""
        for output in self._outputs:
            output.close()
