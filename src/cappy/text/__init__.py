"""Pure functions over single texts: normalization for comparing them, and features of form, repetition and copying.

Imports nothing of the package. Start reading in `normalization`.
"""
