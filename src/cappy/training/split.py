"""The train/hold-out split of rows."""

from __future__ import annotations

import hashlib


def fraction(key: str) -> float:
    """Hash a row's key to [0, 1), the same on every machine. Rows below a recipe's `held_out` share are held out."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48
