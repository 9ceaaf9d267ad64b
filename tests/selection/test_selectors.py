"""Selectors against their definitions, written out slowly."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from cappy.errors import InputError
from cappy.llm.model import Sample
from cappy.selection.selectors import AGREEMENT_WEIGHT, SELECTORS, Pool, agreement, choose, find_selector, ranked

SAMPLES = (
    Sample("Paris is it", "beam4", -2.0, 3),
    Sample("London", "sampling", -0.5, 1),
    Sample("paris is it.", "sampling", -3.0, 4),
    Sample("Rome, I think", "temp0.9", -8.0, 20),
)
POOL = Pool("Name the capital.", SAMPLES, (0.2, 0.1, 0.9, 0.3))


def chosen(name: str, pool: Pool) -> int:
    return choose(SELECTORS[name](pool), [sample.text for sample in pool.samples])


@pytest.mark.parametrize(
    ("name", "place"),
    [("first", 1), ("beam", 0), ("self-sum", 1), ("self-mean", 3), ("majority", 0), ("mbr", 0), ("cappy", 2)],
)
def test_each_selector_takes_what_it_should(name: str, place: int) -> None:
    assert chosen(name, POOL) == place


def test_agreement_counts_beside_the_score() -> None:
    values = SELECTORS["cappy+agreement"](POOL)
    texts = [sample.text for sample in SAMPLES]
    np.testing.assert_allclose(values, np.array(POOL.scores) + AGREEMENT_WEIGHT * agreement(texts))


def test_what_is_not_there_cannot_be_chosen() -> None:
    with pytest.raises(InputError, match="requested decoding"):
        chosen("greedy", POOL)
    silent = Pool("", (Sample("a"), Sample("b")))
    for name in ("self-sum", "self-mean"):
        with pytest.raises(InputError, match="no log-likelihoods"):
            chosen(name, silent)
    with pytest.raises(InputError, match="unknown"):
        find_selector("best")
    half = Pool("", (Sample("a"), Sample("b", log_likelihood=-9.0, tokens=1)))
    assert chosen("self-sum", half) == 1  # a known likelihood comes before an unknown one


@pytest.mark.parametrize("name", SELECTORS)
def test_a_selector_needs_no_more_than_it_states(name: str) -> None:
    selector = SELECTORS[name]
    texts = [sample.text for sample in SAMPLES]
    samples = tuple(Sample(text, f"{name}1" if selector.plan else "sampling") for text in texts)
    if selector.likelihoods:
        samples = tuple(replace(sample, log_likelihood=-1.0, tokens=1) for sample in samples)
    scores = POOL.scores if selector.scores else ()
    pool = Pool("Name the capital.", samples, scores, learnt=scores)
    assert len(selector(pool)) == len(samples)
    assert sorted(ranked(selector(pool), texts)) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", SELECTORS)
def test_every_selector_is_on_its_page(name: str) -> None:
    page = Path(__file__).parents[2] / "docs/how-to/best-of-n.md"
    assert f"`{name}`" in page.read_text(encoding="utf-8")


def test_an_empty_response_is_chosen_only_where_there_is_no_other() -> None:
    values = np.array([0.9, 0.1, np.nan])
    assert choose(values, ["", "no", "yes"]) == 1
    assert choose(values, ["", "", "yes"]) == 2  # without a value, but with a text
    assert choose(values, ["", "", ""]) == 0


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9, np.nan]), st.sampled_from(["", "a"])), min_size=1, max_size=7)
)
def test_the_order_puts_texts_before_none_and_values_before_none(pairs: list[tuple[float, str]]) -> None:
    values, texts = np.array([value for value, _ in pairs]), [text for _, text in pairs]
    if np.isnan(values).all():
        with pytest.raises(InputError):
            ranked(values, texts)
        return
    order = ranked(values, texts)
    assert sorted(order) == list(range(len(pairs)))
    for one, other in itertools.pairwise(order):
        if bool(texts[one]) != bool(texts[other]):
            assert texts[one]
        elif np.isnan(values[one]) != np.isnan(values[other]):
            assert not np.isnan(values[one])
        elif values[one] == values[other] or np.isnan(values[one]):
            assert one < other
        else:
            assert values[one] > values[other]


def test_first_takes_a_beam_where_there_is_nothing_else() -> None:
    assert chosen("first", Pool("", SAMPLES[:1])) == 0


@given(st.lists(st.sampled_from(["a b c", "a c", "b", "", "a b c d", "runs", "run"]), min_size=1, max_size=8))
def test_agreement_is_mean_rouge_against_the_others(texts: list[str]) -> None:
    scorer = RougeScorer(["rougeL"], use_stemmer=True)

    def alike(i: int, j: int) -> float:
        return 1.0 if texts[i] == texts[j] else scorer.score(texts[j], texts[i])["rougeL"].fmeasure

    others = [[alike(i, j) for j in range(len(texts)) if j != i] for i in range(len(texts))]
    expected = [math.fsum(values) / len(values) if values else 0.0 for values in others]
    np.testing.assert_allclose(agreement(texts), expected, atol=1e-12)
    order = np.random.default_rng(0).permutation(len(texts))
    np.testing.assert_allclose(agreement([texts[i] for i in order]), agreement(texts)[order])
