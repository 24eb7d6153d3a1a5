"""Topics of images: the QoS with which cameras offer them, and where and as what others do."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

OFFERED = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
"""Of a camera's images and calibration, as in REP-2003: who asks for reliable messages, such as
image_transport's republish, gets them, and who does not, too."""
_TYPES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
_COMPRESSED = "/compressed"


def image_topics(node: Node, topic: str, transport: str) -> list[str]:
    """Return where images may be, in the order of preference.

    Args:
        node: knows what is remapped.
        topic: where images are, or where an image_transport publisher has its raw ones.
        transport: `raw`, `compressed`, or `auto`: either.
    """
    if transport == "raw":
        return [topic]
    by_convention = topic if topic.endswith(_COMPRESSED) else compressed_topic(node, topic)
    if transport == "compressed" or by_convention == topic:
        return [by_convention]
    return [topic, by_convention]


def find_images(node: Node, topic: str, transport: str) -> tuple[type, str] | None:
    """Return the type and topic of images.

    Args:
        node: sees the graph.
        topic: see `image_topics`.
        transport: the same; `auto`: as the graph has it.

    Returns:
        None if it is to be found on the graph and nobody publishes images there yet.
    """
    candidates = image_topics(node, topic, transport)
    if transport != "auto":
        return Image if transport == "raw" else CompressedImage, candidates[0]
    published: dict[str, set[str]] = {}
    for candidate in candidates:
        infos = node.get_publishers_info_by_topic(node.resolve_topic_name(candidate))
        published[candidate] = {info.topic_type for info in infos}
    for candidate, kinds in published.items():
        for name, kind in _TYPES.items():  # raw first, as it costs no decompression
            if name in kinds:
                return kind, candidate
    return None


def compressed_topic(node: Node, topic: str) -> str:
    """Return where image_transport has compressed images: below the topic as it is remapped."""
    name = topic + _COMPRESSED
    if node.resolve_topic_name(name) != node.resolve_topic_name(name, only_expand=True):
        return name  # it is remapped itself
    return str(node.resolve_topic_name(topic)) + _COMPRESSED
