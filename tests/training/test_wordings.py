"""Wordings: the text and its options are always there, and hardly a wording comes twice."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from cappy.training.wordings import BARE, ask_for_name

WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=40)


@given(WORDS, st.lists(WORDS, max_size=5, unique=True), st.integers(0, 10**6))
def test_text_and_options_are_in_the_question(text: str, options: list[str], seed: int) -> None:
    asked = ask_for_name(text, options, random.Random(seed))
    assert text in asked
    assert all(option in asked for option in options)
    assert asked == ask_for_name(text, options, random.Random(seed))


def test_wordings_are_many() -> None:
    draw = random.Random(0)
    plain = [ask_for_name("XYZ", [], draw) for _ in range(2000)]
    bare = plain.count("XYZ") / len(plain)
    assert abs(bare - BARE) < 0.03
    assert len(set(plain)) > 0.7 * len(plain)
    listed = [ask_for_name("XYZ", ["one", "two", "three"], draw) for _ in range(2000)]
    assert len(set(listed)) > 0.95 * len(listed)
    assert not any("{" in one or "}" in one for one in (*plain, *listed))


def test_options_come_in_any_order() -> None:
    draw = random.Random(0)
    first = [ask_for_name("XYZ", ["first one", "second one"], draw) for _ in range(200)]
    share = sum(asked.index("first one") < asked.index("second one") for asked in first) / len(first)
    assert 0.35 < share < 0.65
