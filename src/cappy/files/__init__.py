"""File input and output: atomic files, journals, package archives, rows, tables, HTML pages, progress bars.

Imports `text` and `errors`. Start reading in `atomic`, which every write uses.
"""
