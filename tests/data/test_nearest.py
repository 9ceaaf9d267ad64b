"""The texts closest to others, against cosines worked out one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cappy.data.nearest import EmbeddingCosine, WordOverlap


@given(st.lists(st.lists(st.sampled_from("a b c d e f".split()), max_size=4).map(" ".join), max_size=12))
def test_word_overlap_is_the_cosine_it_says(texts: list[str]) -> None:
    overlap = WordOverlap(texts)
    for query in ("a b", "c", "f f e"):
        found = overlap.closest([query], 100)
        words = set(query.split())
        assert set(found) == {i for i, text in enumerate(texts) if words & set(text.split())}
        shared = [len(words & set(texts[i].split())) == len(set(texts[i].split())) for i in found]
        if found and any(shared):
            assert set(texts[found[0]].split()) <= words or len(words & set(texts[found[0]].split())) > 0


def angles(texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed a number of degrees as that direction."""
    radians = np.radians([float(text) for text in texts])
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_embeddings_are_compared_with_every_reference_and_paraphrases_passed_over() -> None:
    index = EmbeddingCosine(["0", "5", "30", "60", "90", "200"], ["0", "100"], angles)
    assert index.closest(["0"], 3) == [2, 3, 4]  # 0 and 5 are the reference said again
    assert index.closest(["0", "100"], 9) == [2, 3, 5]  # 90 is too close to 100, and 200 is 100 degrees from it
    assert index.closest(["100"], 1) == [3]


def test_each_different_text_is_embedded_once() -> None:
    asked: list[str] = []

    def embedder(texts: Sequence[str]) -> NDArray[np.float32]:
        asked.extend(texts)
        return angles(texts)

    EmbeddingCosine(["10", "20", "10"], ["20", "40", "40"], embedder)
    assert asked == ["10", "20", "40"]
