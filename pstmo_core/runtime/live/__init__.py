"""Running a network STMO-Live: one step per frame, with a row of numbers for each person's past."""
