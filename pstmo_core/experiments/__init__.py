"""Experiments: trains and evaluates the rows of the paper's tables and of this project's ablations.

For people who reproduce or extend the paper. Needs torch and the data sets. No code that lifts
imports this package.
"""
