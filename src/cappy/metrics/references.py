"""Labels: how right a response is, in [0, 1], given the references of its row.

Cappy labels sampled responses by Rouge-L (Tan et al., 2023, section 3.1). `rouge_l` equals the package rouge-score with
stemming but is many times faster: stems are cached, and the longest common subsequence is found by a compiled
bit-parallel algorithm (Hyyrö, 2004).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

from cappy.errors import InputError, MissingExtraError
from cappy.text.normalization import normalise

Labeller = Callable[[str, Sequence[str]], float]
"""Maps a response and its row's references to a label in [0, 1]."""

_WORD = re.compile(r"[a-z0-9]+")


def rouge_l(response: str, references: Sequence[str]) -> float:
    """Return the best Rouge-L F-measure over the references (Lin, 2004), with words of over three letters stemmed.

    Equals `rouge_score.rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)`: words are
    runs of a to z and digits in lower case; F is the harmonic mean of the precision and recall of the longest common
    subsequence, and 0 without words.
    """
    codes: dict[str, str] = {}
    words = _coded(response, codes)
    return max((_f_measure(words, _coded(reference, codes)) for reference in references), default=0.0)


def _coded(text: str, codes: dict[str, str]) -> str:
    """Encode every stem as one character, the same in all texts that share `codes`, for fast comparison."""
    stems = map(_stem, _WORD.findall(text.lower()))
    return "".join([codes.setdefault(stem, chr(len(codes))) for stem in stems if stem])


def _f_measure(response: str, reference: str) -> float:
    if not response or not reference:
        return 0.0
    try:
        from rapidfuzz.distance import LCSseq
    except ImportError as error:
        raise MissingExtraError("Rouge-L", "data") from error
    common = LCSseq.similarity(response, reference)
    precision, recall = common / len(response), common / len(reference)
    return 2 * precision * recall / (precision + recall) if common else 0.0


class _Stemmer(Protocol):
    def stem(self, word: str) -> str: ...


@lru_cache(maxsize=2**18)
def _stem(word: str) -> str:
    return _stemmer().stem(word) if len(word) > 3 else word


@lru_cache(maxsize=1)
def _stemmer() -> _Stemmer:
    try:
        from nltk.stem.porter import PorterStemmer
    except ImportError as error:
        raise MissingExtraError("Rouge-L with stemming", "data") from error
    stemmer: _Stemmer = PorterStemmer()
    return stemmer


def exact_match(response: str, references: Sequence[str]) -> float:
    """Return 1 if the response equals a reference after `normalise`, else 0."""
    return float(normalise(response) in {normalise(reference) for reference in references})


def token_f1(response: str, references: Sequence[str]) -> float:
    """Return the best F-measure of common words in any order (Rajpurkar et al., 2016, section 6.1)."""
    words = Counter(normalise(response).split())
    best = 0.0
    for reference in references:
        others = Counter(normalise(reference).split())
        total = words.total() + others.total()
        best = max(best, 2 * (words & others).total() / total if total else 0.0)
    return best


def chrf(response: str, references: Sequence[str]) -> float:
    """Return the best chrF (Popović, 2015) over the references, as computed by sacrebleu, in [0, 1]."""
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtraError("chrF", "chrf") from error
    return max((CHRF().sentence_score(response, [reference]).score for reference in references), default=0.0) / 100


LABELLERS: dict[str, Labeller] = {"rouge-l": rouge_l, "exact": exact_match, "token-f1": token_f1, "chrf": chrf}


def find_labeller(name: str | Labeller) -> Labeller:
    """Return the labeller called `name`; a callable is returned unchanged.

    Raises:
        InputError: there is no such labeller.

    """
    if callable(name):
        return name
    if name not in LABELLERS:
        raise InputError(f"labeller {name!r} is unknown; the labellers are {', '.join(LABELLERS)}.")
    return LABELLERS[name]
