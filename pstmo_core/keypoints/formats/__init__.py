"""Keypoint files of detectors, one module per format; docs/formats.md shows each.

A module of a JSON format has `NAME`, `fits(content)`, which tells its files by their content, and
`read(content)`, which returns `Found`.
"""
