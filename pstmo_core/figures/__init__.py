"""Figures of the paper: attention maps, 2D reconstruction of stage I, skeletons.

For people who write about the method or debug a network. Needs Matplotlib and, except for
skeletons, torch. No code that lifts imports this package.
"""
