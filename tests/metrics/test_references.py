"""Labels, against the packages that define them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from cappy.errors import InputError
from cappy.metrics.references import LABELLERS, chrf, exact_match, find_labeller, rouge_l, token_f1

SCORER = RougeScorer(["rougeL"], use_stemmer=True)
WORDS = st.sampled_from(
    "running runs ran the cat cats' flies dying relational Conditional don't 3.14 ponies sky skies naïve ÉTÉ ﬁne a-b "
    "happily agreed feed owed plastered oscillators  _under_score İstanbul ß".split(" ")
)
TEXTS = st.one_of(st.lists(WORDS, max_size=40).map(" ".join), st.text(max_size=60))


@settings(deadline=None)
@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=4))
def test_rouge_l_is_what_rouge_score_says(response: str, references: list[str]) -> None:
    expected = SCORER.score_multi(references, response)["rougeL"].fmeasure
    assert rouge_l(response, references) == pytest.approx(expected, abs=1e-12)


def test_rouge_l_of_known_texts() -> None:
    assert rouge_l("the cats were running", ["a cat was running"]) == pytest.approx(0.5)
    assert rouge_l("a b c d", ["x", "a c d"]) == pytest.approx(2 * 3 / 7)
    assert rouge_l("", ["a"]) == rouge_l("a", [""]) == rouge_l("a", []) == 0


def test_other_labellers() -> None:
    assert exact_match("The Cat!", ["a dog", "the cat"]) == 1
    assert exact_match("the cats", ["the cat"]) == 0
    assert token_f1("b a x", ["a b"]) == pytest.approx(4 / 5)
    assert token_f1("", [""]) == 0
    assert chrf("the cat", ["a dog", "the cat"]) == pytest.approx(1)
    assert 0 < chrf("the cab", ["the cat"]) < 1


def test_labellers_have_names() -> None:
    assert find_labeller("rouge-l") is rouge_l
    assert find_labeller(max) is max  # type: ignore[arg-type]
    with pytest.raises(InputError, match=", ".join(LABELLERS)):
        find_labeller("bleu")
