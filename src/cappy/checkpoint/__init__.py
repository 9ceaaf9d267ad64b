"""Hugging Face sequence-classification folders: finding, reading, saving; weights in 8-bit groups.

Imports `calibration`, `encoders`, `files`, `layout`. Start reading in `checkpoint`; `find` turns a name into a folder.
"""
