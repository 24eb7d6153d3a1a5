"""Frames of TF: where the camera stands, and in which frame results are told."""
