"""Texts far longer than a scorer reads: both ends are read, the cut is told, and what is kept is the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers.implementations import ByteLevelBPETokenizer

import cappy
from cappy.layout.limits import truncate
from cappy.layout.tokenizer import CHARACTERS, PartlyRead, TextTokenizer

MOST = 8
word = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C", "M"]), min_size=1, max_size=CHARACTERS - 1)


@pytest.fixture(scope="module")
def tokenizers(shared_bert: Path) -> Sequence[TextTokenizer]:
    pieces = cappy.load("mini").checkpoint.tokenizer
    byte_level = ByteLevelBPETokenizer()
    byte_level.train_from_iterator(["the cat and the dog", "a" * 200, "-" * 200], 600, special_tokens=["<s>", "</s>"])
    return pieces, TextTokenizer(byte_level._tokenizer, "<s>", "</s>", "trained here")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(word, min_size=1, max_size=8),
    repeats=st.integers(1, 200),
    side=st.sampled_from(["left", "middle", "right"]),
)
def test_what_is_kept_is_as_if_all_were_read(
    tokenizers: Sequence[TextTokenizer], words: list[str], repeats: int, side: str
) -> None:
    text = " ".join(words * repeats)
    for tokenizer in tokenizers:
        whole, partly = tokenizer.encode([text])[0], tokenizer.encode([text], MOST)[0]
        kept, cut = truncate(whole, MOST, side)
        found, told = truncate(partly, MOST, side)
        assert found == kept
        assert (told > 0) == (cut > 0)
        assert isinstance(partly, PartlyRead) == (len(text) > 2 * MOST * CHARACTERS)


def test_the_cut_is_told_and_texts_that_fit_are_read_whole() -> None:
    scorer = cappy.load("mini")
    room = scorer.limits.max_tokens * CHARACTERS
    plain = scorer.checkpoint.tokenizer.encode(["word " * 100], scorer.limits.max_tokens)[0]
    assert not isinstance(plain, PartlyRead) and len(plain) == 100
    group = next(iter(scorer.score_groups([("Is it so?", ["yes", "word " * room])])))
    assert group.cuts[0].response == 0
    assert group.cuts[1].response > 2 * room // 5  # what was read has a token every five characters
    assert cappy.load("mini").score("Is it so? " * room, ["yes"]).shape == (1,)
