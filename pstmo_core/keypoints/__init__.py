"""2D keypoints of people: layouts, frames, clips, and who is who from image to image."""
