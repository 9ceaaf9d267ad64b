"""Encoder families, one per file: sizes, weight names, positions, biases and head, for all runtimes.

Imports nothing of the package but errors. Start reading in `spec`, then `mpnet`; `registry` finds a family.
"""
