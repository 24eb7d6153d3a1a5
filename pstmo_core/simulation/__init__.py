"""A virtual camera with rendered people and ground truth, for tests and demonstrations."""
