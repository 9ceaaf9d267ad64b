"""Classification heads over a scorer's features and scores. Pure functions over arrays, except `choices`.

Imports `scorer`, `calibration` and below. Start reading in `head`; `cappy.classifier` is the public class.
"""
