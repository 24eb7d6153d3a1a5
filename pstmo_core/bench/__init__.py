"""Measurements of speed. Here, and only here, the core looks at a clock."""
