"""Motion capture, virtual cameras, the windows that training draws, and benchmark data sets."""
