"""Skeletons drawn into images and videos."""
