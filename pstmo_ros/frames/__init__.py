"""TF: the camera's pose, and the frame of the results."""
