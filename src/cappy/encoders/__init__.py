"""Encoder families, one a file: sizes, weight names, positions, biases and head; both runtimes read them from here.

It imports nothing of the package but errors. Start reading at `spec`, then `mpnet`; `registry` finds a family.
"""
