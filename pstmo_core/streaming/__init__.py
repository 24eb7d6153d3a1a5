"""Live lifting: time-stamped keypoints in, skeletons out, frame by frame.

Read `lifter` first. Nothing in this package reads a clock: time is known from stamps only, so
that a recording gives the same results as the live stream.
"""
