"""A lifter with TF, a camera before somebody who walks on a floor, and who listens."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf2_ros
from lifter_knows import knows_transform
from lifter_world import LifterWorld
from std_msgs.msg import Header

from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_ros.conversions import floats, time_message
from pstmo_ros.frames.static_frame import publish_static_frame
from pstmo_ros.msg import People2D, Person2D

VIEW = View(1280, 720, 1000.0, position=(0.3, -4.2, 1.5), target=(0.0, 0.0, 0.9))
FPS = 25.0
BASE = 1_700_000_000_000_000_000
#: A person's id in the messages, and in topics and frames.
ID = "walker"


class Room(LifterWorld):
    """A lifter, a camera before somebody who walks, and who listens."""

    def __init__(self, namespace: str = "", **parameters: Any) -> None:
        given = {"focal": 1000.0, "expire": 0.4, "floor_frame": "map", "target_frame": "map"}
        super().__init__(namespace=namespace, **(given | parameters))
        self.buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self.buffer, self)
        publish_static_frame(self, "map", "camera", VIEW.pose)

    def start(self) -> None:
        super().start()
        self.spin_until(lambda: knows_transform(self.lifter, "map", "camera"))

    def show_nobody(self, row: int) -> None:
        """Show an image without people."""
        header = Header(stamp=time_message(BASE + round(row / FPS * 1e9)), frame_id="camera")
        self.keypoints.publish(People2D(header=header, layout="h36m17", width=1280, height=720))

    def walk(self, frames: int, frame_id: str = "camera", first: int = 0) -> list[np.ndarray]:
        """Show somebody who walks and return the true joints (17, 3) in map."""
        truth = []
        heard = self.heard["skeletons"]
        before = len(heard) - first
        for row in range(first, first + frames):
            world = MovingPeople.shipped(1).joints(row / FPS)[0]
            truth.append(world)
            points = VIEW.project(VIEW.to_camera(world))
            header = Header(stamp=time_message(BASE + round(row / FPS * 1e9)), frame_id=frame_id)
            person = Person2D(id=ID, points=floats(points.ravel()))
            self.keypoints.publish(
                People2D(header=header, layout="h36m17", width=1280, height=720, people=[person])
            )
            self.spin_until(lambda row=row: len(heard) > before + row)
        self.spin_for(0.1)
        return truth
