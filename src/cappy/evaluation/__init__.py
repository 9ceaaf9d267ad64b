"""Measure scorers on tasks they were not trained for, against what users would do without them.

Imports everything but `server` and `cli`. Each kind of evaluation is a package; start reading in its `run`.
"""
