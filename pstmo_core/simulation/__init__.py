"""Rendered people before a virtual camera: for tests and demonstrations, with the truth known."""
