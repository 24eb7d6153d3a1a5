"""Figures of the paper for looking inside: attention, 2D reconstruction, skeletons. Matplotlib."""
