"""Training and evaluation data: motion capture with virtual cameras, and benchmark data sets."""
