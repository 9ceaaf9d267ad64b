"""Measuring scorers on tasks they were not trained for, beside what users would do without them.

Imports everything but `server` and `cli`. A package a kind of evaluation; `run` in each is where to start.
"""
