"""What is fitted on validation data and kept with a scorer: temperature, batch calibration, `combined`'s weights.

Imports `errors` alone. Start reading in `temperature`.
"""
