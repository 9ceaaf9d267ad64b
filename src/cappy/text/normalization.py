"""Text normalisation, shared by deduplication and contamination checks."""

from __future__ import annotations

import re
import unicodedata

_NOT_WORD = re.compile(r"[^\w]+", re.UNICODE)


def normalise(text: str) -> str:
    """Fold case, width, punctuation and spacing, so that equivalent texts become equal.

    A text of symbols only ("★★") keeps them, because nothing else identifies it.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = _NOT_WORD.sub(" ", folded).strip()
    return words or " ".join(folded.split())


def repair(text: str) -> str:
    """Replace lone surrogates, which no encoder accepts, by U+FFFD; join surrogate pairs."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
