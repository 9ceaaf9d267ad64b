"""Parameters fitted on validation data and kept with a scorer: temperature, batch calibration, `combined`'s weights.

Imports only `errors`. Start reading in `temperature`.
"""
