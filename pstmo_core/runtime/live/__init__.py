"""Runs STMO-Live: one step per frame, with a row of state for each person."""
