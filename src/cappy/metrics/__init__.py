"""Metrics over arrays: reference metrics (Rouge-L, exact match), classification, preferences, bootstrap intervals.

Imports `calibration`, `text` and `errors`. Start reading in `references`: its labels train the scorer.
"""
