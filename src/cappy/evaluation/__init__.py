"""Measuring scorers on tasks they were not trained for."""
