"""The room before a camera: how the camera stands in it, the floor, and people on the floor."""
