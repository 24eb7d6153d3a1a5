"""Benchmarks: speed, and accuracy on real video.

For whoever changes the network or its runtimes, or compares them. Nothing that lifts imports this
package.
"""
