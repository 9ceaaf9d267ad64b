"""Making texts comparable: the one normalisation that duplicates and contamination checks share."""

from __future__ import annotations

import re
import unicodedata

_NOT_WORD = re.compile(r"[^\w]+", re.UNICODE)


def normalise(text: str) -> str:
    """Fold case, width, punctuation and spacing, so that equal sayings become equal strings.

    A text of symbols alone ("★★") keeps them: nothing else tells it from another.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = _NOT_WORD.sub(" ", folded).strip()
    return words or " ".join(folded.split())


def repair(text: str) -> str:
    """Replace lone surrogates, which no encoder accepts, by U+FFFD; pairs of surrogates are joined."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
