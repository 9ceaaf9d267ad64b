"""Finding the nearest texts: by shared words, or by a sentence encoder's embeddings."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cappy.errors import MissingExtraError
from cappy.text.normalization import normalise

Embedder = Callable[[Sequence[str]], NDArray[np.float32]]
"""Maps texts to vectors of length 1: [texts, width]."""
PARAPHRASE = 0.95
"""Texts with a larger cosine are usually paraphrases, not negatives. The bound is that of Moreira et al. (2024, arXiv
2407.15831), who skip negatives that score above 95% of the positive."""


class Closest(Protocol):
    """An index of texts that finds those nearest to given texts."""

    def closest(self, references: Sequence[str], count: int) -> list[int]:
        """Return the indices of up to `count` texts, nearest to any of the references first."""
        ...


class WordOverlap:
    """Finds texts that share the most words, weighted by inverse document frequency."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Index the words of `texts`."""
        self._holders: dict[str, list[int]] = defaultdict(list)
        for index, text in enumerate(texts):
            for word in set(normalise(text).split()):
                self._holders[word].append(index)
        self._weight = {word: math.log(1 + len(texts) / len(found)) for word, found in self._holders.items()}
        self._norm = [0.0] * len(texts)
        for word, found in self._holders.items():
            for index in found:
                self._norm[index] += self._weight[word] ** 2

    def closest(self, references: Iterable[str], count: int) -> list[int]:
        """Return up to `count` texts by their largest cosine with a reference, nearest first; ties keep order."""
        best: dict[int, float] = {}
        for reference in references:
            products: dict[int, float] = defaultdict(float)
            for word in set(normalise(reference).split()):
                # A word that most texts contain distinguishes nothing and costs the most.
                if len(self._holders.get(word, ())) <= max(50, len(self._norm) // 4):
                    for index in self._holders.get(word, ()):
                        products[index] += self._weight[word] ** 2
            for index, product in products.items():
                cosine = product / math.sqrt(self._norm[index])
                best[index] = max(best.get(index, 0.0), cosine)
        return sorted(best, key=lambda index: (-best[index], index))[:count]


class EmbeddingCosine:
    """Finds texts with the nearest embeddings, except paraphrases."""

    def __init__(self, texts: Sequence[str], references: Iterable[str], embedder: Embedder) -> None:
        """Embed `texts` and all `references` that will be queried, each distinct one once."""
        self._place = {text: place for place, text in enumerate(dict.fromkeys([*texts, *references]))}
        vectors = embedder(list(self._place))
        self._references = vectors
        self._texts = vectors[[self._place[text] for text in texts]]

    def closest(self, references: Sequence[str], count: int) -> list[int]:
        """Return up to `count` texts by their largest cosine with a reference, nearest first; ties keep order.

        Texts whose largest cosine is above `PARAPHRASE` are skipped.
        """
        asked = self._references[[self._place[reference] for reference in references]]
        cosines = (self._texts @ asked.T).max(axis=1)
        cosines[cosines > PARAPHRASE] = -np.inf
        order = np.argsort(-cosines, kind="stable")[:count]
        return [int(index) for index in order if np.isfinite(cosines[index])]


@lru_cache(maxsize=1)
def find_embedder(folder: str) -> Embedder:
    """Load the sentence encoder in `folder`, cached per process.

    Raises:
        CheckpointError: the encoder cannot be read.

    """
    try:
        from cappy.runtime.embedding import load_embedder
    except ImportError as error:
        raise MissingExtraError("hard negatives by embedding", "train") from error
    return load_embedder(Path(folder))
