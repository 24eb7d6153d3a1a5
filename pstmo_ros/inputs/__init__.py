"""Keypoints of other packages' messages, turned into this package's People2D."""
