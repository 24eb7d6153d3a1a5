"""Definitions of this package's messages for reading and writing bags without ROS.

A package that pip installs has no `msg/`; a test compares these with it.
"""

from __future__ import annotations

from typing import Any

PEOPLE = "pstmo_ros/msg/People2D"
SKELETONS = "pstmo_ros/msg/Skeletons3D"
IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"

DEFINITIONS = {
    "pstmo_ros/msg/Person2D": """
string id
float32[] points
float32[] scores
""",
    PEOPLE: """
std_msgs/Header header
string layout
uint32 width
uint32 height
Person2D[] people
""",
    "pstmo_ros/msg/Skeleton3D": """
uint8 ROOT_NONE=0
uint8 ROOT_ASSUMED=1
uint8 ROOT_DEPTH=2
uint8 ROOT_EXTERNAL=3
uint8 ROOT_FLOOR=4
uint8 ROOT_HEIGHT=5
uint8 ROOT_LEARNED=6
string id
float32[] joints
float32[] confidence
float32[] sigma
float32 observed
geometry_msgs/Point root
uint8 root_source
float64[9] root_covariance
geometry_msgs/Vector3 velocity
""",
    SKELETONS: """
std_msgs/Header header
builtin_interfaces/Time newest_stamp
string layout
Skeleton3D[] people
""",
}


def typestore() -> Any:
    """Return rosbags' store of ROS 2's messages with this package's added.

    Raises:
        ImportError: if rosbags is not installed.
    """
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    types: dict[str, Any] = {}
    for name, definition in DEFINITIONS.items():
        types |= get_types_from_msg(definition, name)
    store.register(types)
    return store
