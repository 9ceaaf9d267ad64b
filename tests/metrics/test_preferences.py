"""Measures of judged answers against slow, obvious references, and tables over them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

import cappy
from cappy.data.answers import JudgedAnswers
from cappy.evaluation.answers.report import cells, figures, lead, markdown
from cappy.evaluation.answers.systems import system_values
from cappy.evaluation.answers.table import tables
from cappy.metrics.preferences import chosen_worth, length_liking, pair_order, share_of_the_way

few = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6)


@given(few)
def test_pairs_in_order_are_counted_as_one_would_by_hand(rows: list[tuple[int, int]]) -> None:
    right = [
        1.0 if (a[0] > b[0]) == (a[1] > b[1]) else 0.0
        for a, b in itertools.combinations(rows, 2)
        if a[0] != b[0] and a[1] != b[1]
    ]
    right += [0.5 for a, b in itertools.combinations(rows, 2) if a[0] == b[0] and a[1] != b[1]]
    values, worth = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = pair_order(values, worth)
    assert math.isnan(found) if not right else found == pytest.approx(np.mean(right))


@given(few)
def test_liking_for_length_is_kendalls_tau_b(rows: list[tuple[int, int]]) -> None:
    values, lengths = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = length_liking(values, lengths)
    expected = kendalltau(values, lengths).statistic if len(rows) > 1 else math.nan
    assert math.isnan(found) if math.isnan(expected) else found == pytest.approx(expected)


def test_equal_values_share_the_choice() -> None:
    worth = np.array([0.0, 1.0, 0.2])
    assert chosen_worth(np.array([1.0, 1.0, 0.0]), worth) == 0.5
    assert chosen_worth(np.zeros(3), worth) == pytest.approx(0.4)


def test_the_way_is_gone_by_what_there_is_to_win() -> None:
    random, best = np.array([0.5, 0.5]), np.array([1.0, 0.5])
    assert share_of_the_way(np.array([0.75, 0.5]), random, best) == pytest.approx(0.5)
    assert share_of_the_way(np.array([0.0, 0.5]), random, best) == pytest.approx(-1)
    assert np.isnan(share_of_the_way(random, random, random))


def rows(source: str, count: int, longest_is_best: bool) -> list[JudgedAnswers]:
    texts = ("no", "it is blue", "the sky over the river is blue")
    worth = (0.0, 0.5, 1.0) if longest_is_best else (1.0, 0.5, 0.0)
    return [JudgedAnswers(f"question {n}", texts, worth, source, (-3.0, -1.0, -2.0)) for n in range(count)]


def test_tables_part_sources_and_hold_cappy_against_the_baselines() -> None:
    read = [*rows("short", 3, False), *rows("long", 5, True)]
    values = system_values(read, cappy.load("mini"))
    found = {table.source: table for table in tables(read, values, 0, "cappy")}
    assert list(found) == ["long", "short", "all"]
    long, short = found["long"].systems["longest"], found["short"].systems["longest"]
    assert (long.pairs, long.worth, long.way, long.liking) == (1, 1, 1, 1)
    assert (short.pairs, short.worth, short.way) == (0, 0, -1)
    assert found["all"].systems["longest"].pairs == pytest.approx(5 / 8)
    assert found["all"].systems["longest"].way == pytest.approx(0)
    assert found["all"].systems["longest"].worth is None
    assert found["long"].systems["self-mean"].worth == 0.5  # the likeliest is the second
    assert found["long"].systems["random"].pairs == 0.5
    assert math.isnan(found["long"].systems["random"].liking)
    own = found["long"].systems["cappy"].pairs
    assert [(one.against, one.pairs) for one in found["long"].differences if one.against == "longest"] == [
        ("longest", own - 1)
    ]


def test_reports_leave_out_what_is_unknown() -> None:
    read = [JudgedAnswers("a question", ("red", "a long blue"), (1.0, 1.0), "ties")]
    (table,) = tables(read, system_values(read, cappy.load("mini")), 0, "cappy")
    assert cells(table)[0] == ("random", "", "1", "", "")
    assert lead(table) == ""
    text = markdown([table], "about")
    assert "nan" not in text and "## ties: 1 instructions, 2.0 answers each" in text
    assert figures([table])[0]["systems"]["random"]["pairs"] is None


def test_embeddings_join_where_an_encoder_is_given() -> None:
    read = rows("long", 1, True)
    turned = {"no": (0.0, 1.0), "it is blue": (1.0, 0.0), "the sky over the river is blue": (0.8, 0.6)}
    values = system_values(read, cappy.load("mini"), lambda texts: np.array([turned[text] for text in texts]))
    assert values["embedding-medoid"][0] == pytest.approx([0.3, 0.4, 0.7])
