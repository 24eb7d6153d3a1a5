"""Errors against ground truth: metrics, protocols of the data sets, tables of the model card."""
