"""Benchmarks of speed, and of accuracy on real video.

For people who change or compare networks and backends. No code that lifts imports this package.
"""
