"""Which side of the split a row is on."""

from __future__ import annotations

import hashlib


def fraction(key: str) -> float:
    """Map a row's key to [0, 1), the same on every machine; rows below a recipe's share are held out."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48
