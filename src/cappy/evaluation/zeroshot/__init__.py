"""Held-out classification tasks under all their templates (Tan et al., 2023, section 4.1)."""
