"""Time-stamped keypoints to skeletons, one frame at a time. Time comes in with the data."""
