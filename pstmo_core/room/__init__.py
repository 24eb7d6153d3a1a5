"""Geometry of the scene: the camera's pose, the floor, and root positions from floor and depth."""
