"""Skeletons for robots: body frames, joint angles, points, velocities, several cameras merged."""
