"""Benchmark data sets: reads Human3.6M, MPI-INF-3DHP and others, checks them, cuts windows."""
