"""Hugging Face sequence-classification folders: find, read, save, and 8-bit groups of weights.

Imports `calibration`, `encoders`, `files`, `layout`. Start reading in `checkpoint`; `find` turns a name into a folder.
"""
