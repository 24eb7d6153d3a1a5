"""Reads untrusted npz files safely and within bounds, and writes npz files."""
