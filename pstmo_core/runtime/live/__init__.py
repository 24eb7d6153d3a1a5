"""Running a network STMO-Live: a step a frame, with a row of numbers for each person's past."""
