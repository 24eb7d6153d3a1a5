"""What the launch file of the lifter is made of: arguments, processes, cameras, RViz."""
