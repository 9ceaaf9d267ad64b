"""Figures on labelled groups: what rounding, blindness, calibration and other stacks change."""
