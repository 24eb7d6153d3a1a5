"""The experiments of the paper and of this project: what is run, how, and the tables of it."""
