"""The parts of the lifter's launch file: arguments, processes, cameras, RViz."""
