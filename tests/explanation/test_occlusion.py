"""Occlusion against a slow and obvious way to do it, and what must hold of any text's spans."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cappy
from cappy.explanation.occlusion import plan, spans, without
from cappy.group import Cut, GroupScores

texts = st.text(st.sampled_from("ab ?é\n\t\u3000漢字かな\U0001f600\x00"), max_size=40) | st.text(max_size=20)


@pytest.fixture(scope="module")
def scorer(shared_bert: Path) -> cappy.Scorer:
    return cappy.load(shared_bert, precision="fp32")


def slow_effects(scorer: cappy.Scorer, instruction: str, response: str) -> tuple[list[float], list[float]]:
    """Texts whose words have single blanks between them: leave out one word after the other, score each pair alone."""
    whole = scorer.score(instruction, response)
    asked, said = instruction.split(" "), response.split(" ")
    fewer_asked = [" ".join(asked[:place] + asked[place + 1 :]) for place in range(len(asked))]
    fewer_said = [" ".join(said[:place] + said[place + 1 :]) for place in range(len(said))]
    return (
        [whole - scorer.score(text, response) for text in fewer_asked],
        [whole - scorer.score(instruction, text) for text in fewer_said],
    )


@pytest.mark.parametrize(
    ("instruction", "response"),
    [("what is the capital of france", "the city paris"), ("is the sky green", "no"), ("one", "two three three")],
)
def test_effects_are_those_of_the_slow_way(scorer: cappy.Scorer, instruction: str, response: str) -> None:
    explained = cappy.explain(scorer, instruction, response)
    asked, said = slow_effects(scorer, instruction, response)
    assert explained.score == pytest.approx(scorer.score(instruction, response), abs=1e-5)
    assert [one.effect for one in explained.instruction] == pytest.approx(asked, abs=2e-5)
    assert [one.effect for one in explained.response] == pytest.approx(said, abs=2e-5)
    assert max(map(abs, asked + said)) > 1e-3  # words of this scorer do move scores, so agreement means something
    assert [one.text for one in explained.response] == response.split(" ")


def test_positive_means_the_word_raised_the_score() -> None:
    planned = plan("a b", "c d")
    assert planned.groups == [("a b", ["c d", "d", "c"]), ("b", ["c d"]), ("a", ["c d"])]
    cut = Cut(instruction=3)
    scored = [GroupScores((0.5, 0.2, 0.9), (cut, cut, cut)), GroupScores((0.5,), (cut,)), GroupScores((0.1,), (cut,))]
    explained = planned.explanation(scored)
    assert [one.effect for one in explained.response] == pytest.approx([0.3, -0.4])
    assert [one.effect for one in explained.instruction] == pytest.approx([0.0, 0.4])
    assert explained.cut == cut
    assert str(explained).splitlines()[:2] == ["0.5000", " +0.4000  instruction: b"]


@given(text=texts, limit=st.integers(1, 12))
def test_spans_are_in_order_and_hold_every_word(text: str, limit: int) -> None:
    found = list(spans(text, limit))
    assert len(found) <= limit
    assert all(0 <= start < end <= len(text) for start, end in found)
    assert all(left[1] <= right[0] for left, right in pairwise(found))
    assert all(text[start:end] == text[start:end].strip() for start, end in found)
    outside = "".join(
        text[left:right]
        for left, right in zip([0, *(e for _, e in found)], [*(s for s, _ in found), len(text)], strict=True)
    )
    assert not outside.strip()


@given(words=st.integers(1, 60), limit=st.integers(1, 20))
def test_joined_spans_are_of_even_size(words: int, limit: int) -> None:
    text = " ".join(["w"] * words)
    sizes = [len(text[start:end].split()) for start, end in spans(text, limit)]
    assert len(sizes) == min(words, limit)
    assert sum(sizes) == words
    assert max(sizes) - min(sizes) <= 1


@given(text=texts)
def test_without_takes_the_span_and_nothing_else(text: str) -> None:
    for start, end in spans(text, 5):
        left = without(text, (start, end))
        assert "".join(left.split()) == "".join((text[:start] + text[end:]).split())


def test_without_keeps_neighbours_apart() -> None:
    assert [without("a b\nc ", span) for span in ((0, 1), (2, 3), (4, 5))] == ["b\nc ", "a c ", "a b"]


def test_languages_without_blanks_have_words_too() -> None:
    text = "天空是green的"
    assert [text[start:end] for start, end in spans(text)] == ["天", "空", "是", "green", "的"]


def test_texts_without_words(scorer: cappy.Scorer) -> None:
    explained = cappy.explain(scorer, "", " \n")
    assert (explained.instruction, explained.response) == ((), ())


def test_what_was_cut_is_told(scorer: cappy.Scorer) -> None:
    assert cappy.explain(scorer, "one two three " * 100, "yes", limit=4).cut.instruction > 0


def test_what_is_refused(scorer: cappy.Scorer) -> None:
    with pytest.raises(cappy.InputError, match="at least 1"):
        cappy.explain(scorer, "a", "b", limit=0)
    with pytest.raises(cappy.InputError, match="one text"):
        cappy.explain(scorer, "a", ["b"])  # type: ignore[arg-type]
