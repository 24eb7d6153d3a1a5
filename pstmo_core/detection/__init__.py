"""From images to 2D keypoints, by detectors of several kinds."""
