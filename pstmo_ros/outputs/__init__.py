"""The lifter's outputs for other software: one module for each message type."""
