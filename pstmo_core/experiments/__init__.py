"""The paper's tables and this project's own: what is trained and measured, and the tables of it.

For whoever reproduces or extends the paper; needs torch and the data sets. Nothing that lifts
imports this package.
"""
