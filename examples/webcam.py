#!/usr/bin/env python3
"""Lifts a webcam or a video: examples/webcam.py [0 | FILE | URL] [DETECTOR]; Ctrl-C ends it."""

import sys
import time

import cv2

import pstmo_core as pstmo


def main() -> None:
    """Print for each image how high everybody's right wrist is above the pelvis."""
    source = sys.argv[1] if len(sys.argv) > 1 else "0"
    video = cv2.VideoCapture(int(source) if source.isdigit() else source)
    if not video.isOpened():
        sys.exit(f"{source}: no camera or video that can be opened")
    detector = pstmo.load_detector(*sys.argv[2:3], clock=time.perf_counter)  # one that keeps up
    lifter = pstmo.Lifter()
    wrist = pstmo.JOINT_NAMES.index("rwrist")
    while (image := video.read()[1]) is not None:
        stamp = round(video.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        found, size = detector.detect(image), (image.shape[1], image.shape[0])
        for answer in lifter.push_points(stamp, found.points, found.scores, size, detector.layout):
            heights = [round(-float(y), 2) for y in answer.joints[:, wrist, 1]]
            print(f"{answer.stamp / 1e9:.2f} s", dict(zip(answer.ids, heights, strict=True)))


if __name__ == "__main__":
    main()
