"""Groups out of examples: right answers, wrong ones that are never right, duplicates merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cappy.data.nearest import PARAPHRASE
from cappy.data.negatives import WrongAnswers, choice_group, make_groups, merge
from cappy.errors import InputError
from cappy.group import Candidate, Example
from cappy.runtime.embedding import load_embedder
from cappy.text.normalization import normalise

ANSWERS = st.sampled_from(["a cat", "A cat!", "a dog", "the red house", "the red horse", "the house", "", "..."])
EXAMPLES = st.lists(
    st.builds(
        Example,
        st.sampled_from(["what?", "who?", "where?"]),
        st.lists(ANSWERS, min_size=1, max_size=3).map(tuple),
        task=st.sampled_from(["one", "two"]),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(EXAMPLES, st.builds(WrongAnswers, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)))
def test_no_right_answer_is_lent_as_a_wrong_one(examples: list[Example], wrong: WrongAnswers) -> None:
    made = list(make_groups(examples, wrong, 0))
    for number, group in made:
        example = examples[number]
        same = [e for e in examples if (e.task, e.instruction) == (example.task, example.instruction)]
        right = {normalise(reference) for e in same for reference in e.references}
        lent = [normalise(c.text) for c in group.candidates if c.label == 0]
        assert lent
        assert len(lent) <= wrong.count
        assert not set(lent) & right
        keys = [normalise(c.text) for c in group.candidates]
        assert len(set(keys)) == len(keys)
        assert set(keys) - set(lent) == {normalise(reference) for reference in example.references}
        pool = {normalise(e.references[0]) for e in examples if e.task == example.task}
        assert set(lent) <= pool
    assert made == list(make_groups(examples, wrong, 0))


def test_hard_answers_share_rare_words_with_a_reference() -> None:
    filler = [Example(f"q{i}", (f"something {word} entirely",)) for i, word in enumerate("bcdefghi")]
    examples = [
        Example("who?", ("the striped zebra", "a quagga")),
        Example("which?", ("a spotted zebra",)),
        Example("what?", ("the quagga skin",)),
        *filler,
    ]
    _, group = next(make_groups(examples, WrongAnswers(0, 0, 2), 0))
    assert {c.text for c in group.candidates if c.label == 0} == {"a spotted zebra", "the quagga skin"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hard": -1}, "hard must be"),
        ({"near": "two"}, "near must be"),
        ({"hard_by": "luck"}, "words, embedding"),
        ({"suggested": 1.5}, "suggested must be"),
    ],
)
def test_wrong_answers_that_are_not_understood(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        WrongAnswers(**options)


def test_hard_answers_by_embedding_are_the_closest(bert: Path) -> None:
    """As found by comparing every answer with every reference, one after the other."""
    answers = ["a good film", "the bad film", "a river in france", "water and fire", "the sky is blue", "green earth"]
    examples = [Example(f"q{i}", (text, "rome") if i == 2 else (text,)) for i, text in enumerate(answers)]
    wrong = WrongAnswers(0, 0, 2, "embedding", str(bert))
    embedder = load_embedder(bert)
    for number, group in make_groups(examples, wrong, 0):
        texts = embedder(answers)
        cosine = (texts @ embedder(list(examples[number].references)).T).max(axis=1)
        ranked = [answers[i] for i in np.argsort(-cosine) if i != number and cosine[i] <= PARAPHRASE]
        assert [c.text for c in group.candidates if c.label == 0] == ranked[:2]


def test_duplicates_merge_and_keep_the_highest_label() -> None:
    merged = merge(
        [Candidate("Yes.", 0.2, "other"), Candidate("no", 0.0, "choice"), Candidate("yes", 1.0, "reference")]
    )
    assert merged == (Candidate("Yes.", 1.0, "reference"), Candidate("no", 0.0, "choice"))


def test_choices_need_a_right_and_a_wrong_one() -> None:
    assert choice_group(Example("?", ("a",), ("a", "b"))) is not None
    assert choice_group(Example("?", ("c",), ("a", "b"))) is None
    assert choice_group(Example("?", ("a", "b"), ("a", "b"))) is None
    assert choice_group(Example("?", ("a",), ("a", "a"))) is None
