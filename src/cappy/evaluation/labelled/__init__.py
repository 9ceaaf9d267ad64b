"""Metrics on labelled groups: the effect of rounding, of hiding the instruction, of calibration, of other stacks."""
