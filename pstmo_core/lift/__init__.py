"""Recordings to 3D, file by file: `pstmo lift`."""
