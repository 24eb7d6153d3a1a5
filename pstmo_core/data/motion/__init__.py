"""Windows drawn from motion capture before virtual cameras, with a detector's faults."""
