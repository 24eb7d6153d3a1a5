"""The benchmark data sets: Human3.6M, MPI-INF-3DHP and others, read, checked and cut."""
