"""STMO-Live: the network for streams, which keeps its past instead of computing it once more."""
