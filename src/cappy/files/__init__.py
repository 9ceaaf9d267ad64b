"""Reading and writing: atomic files, journals, package archives, rows in and tables out, HTML pages, progress bars.

Imports `text` and `errors`. Start reading in `atomic`: everything that is written goes through it.
"""
