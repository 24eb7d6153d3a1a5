"""The files in which detectors write keypoints, one module a format; docs/formats.md shows each.

A module of a JSON format has `NAME`, `fits(content)`, which tells its files by their content, and
`read(content)`, which returns `Found`.
"""
