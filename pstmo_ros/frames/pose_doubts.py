"""Log messages about camera poses that cannot be right."""

from __future__ import annotations

from pstmo_core.room.pose_doubt import PoseDoubt


def describe_doubt(doubt: PoseDoubt, camera: str, floor: str, rotation: int) -> str:
    """Say what is wrong with a camera's pose and what to do; empty if nothing is.

    Args:
        doubt: what is wrong.
        camera: frame of the camera.
        floor: frame of the floor, or the topic of the IMU, whichever the pose is from.
        rotation: as the parameter says it.
    """
    if doubt.skyward:
        return (
            f"by {floor}, {camera} looks straight up, so its pose is not used: keypoints need an "
            "optical frame (x right, y down, z forward, such as camera_color_optical_frame); "
            "correct the frame_id of the images or the parameter frame_id, or the transform"
        )
    if doubt.height is not None:
        return (
            f"{camera} is {doubt.height:.2f} m over the floor of {floor}, so its pose is not "
            "used: floor_frame must have its plane z = 0 on the floor (base_footprint, map), and "
            "floor_height is the floor's height over that plane"
        )
    if doubt.rotation is not None:
        return (
            f"by {floor}, images of {camera} become upright when they are rotated by "
            f"{doubt.rotation} degrees, but the parameter rotation is {rotation}: correct it, or "
            "the transform"
        )
    return ""
