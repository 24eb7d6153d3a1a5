#!/usr/bin/env python3
"""Lifts a NumPy array of 2D keypoints: examples/keypoint_array.py [FILE.npy [FPS [LAYOUT]]].

The array has the shape (frames, people, points, 3): x and y in pixels and a score from 0 to 1, by
default the 17 points of COCO at 30 frames/s; NaN where a point is not known. Without a file, a
made-up person stands still.
"""

import sys

import numpy as np

import pstmo_core as pstmo

STANDING = [(320, 80), (328, 72), (312, 72), (336, 78), (304, 78), (352, 130), (288, 130),
            (364, 185), (276, 185), (368, 235), (272, 235), (340, 240), (300, 240), (342, 320),
            (298, 320), (344, 400), (296, 400)]  # fmt: skip


def main() -> None:
    """Print how high the right wrist is above the pelvis in each frame."""
    one = np.concatenate([np.array(STANDING, float), np.ones((17, 1))], -1)
    keypoints = np.load(sys.argv[1]) if len(sys.argv) > 1 else np.tile(one, (30, 1, 1, 1))
    fps = float(sys.argv[2]) if len(sys.argv) > 2 else 30.0
    layout = sys.argv[3] if len(sys.argv) > 3 else "coco17"
    ids = [f"person{number}" for number in range(keypoints.shape[1])]
    wrist = pstmo.JOINT_NAMES.index("rwrist")

    lifter = pstmo.Lifter()  # the shipped network, default settings
    for index, people in enumerate(keypoints):
        stamp = round(index / fps * 1e9)
        points, scores = people[..., :2], people[..., 2]
        for answer in lifter.push_points(stamp, points, scores, (640, 480), layout, ids):
            for name, joints in zip(answer.ids, answer.joints, strict=True):
                print(f"{answer.stamp / 1e9:.3f} s: {name}'s wrist {-joints[wrist, 1]:+.2f} m")


if __name__ == "__main__":
    main()
