"""2D keypoints of people: layouts, frames, recorded clips and their file formats, tracking."""
