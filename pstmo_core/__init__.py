"""P-STMO: 2D keypoint sequences of people to 3D skeletons. This library needs no ROS."""

__version__ = "0.1.0"
