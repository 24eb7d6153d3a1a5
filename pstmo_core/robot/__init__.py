"""Skeletons as robots' software wants them: body frames, joint angles, points, velocities."""
