"""Figures that look inside the network: attention, 2D reconstruction, skeletons.

For whoever writes about the method or debugs it; needs Matplotlib and, for most, torch. Nothing
that lifts imports this package.
"""
