"""Sentences under verbs that affirm them, deny them or leave them open."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cappy.text.normalization import normalise
from cappy.training.recipes import Statements
from cappy.training.statements import statement_groups
from cappy.training.statements.embedded import AFFIRMING, DENYING, OPEN, embed_sentence
from cappy.training.statements.pairs import embedded_pairs

PASSAGE = (
    "The bridge was built by a baker.",
    "It crosses the river where the old mill stood, which burnt down.",
    "Anna Weber paid for the stones.",
    "Nobody has seen her since.",
)
KNOWN = " ".join(PASSAGE)


def frames_of(text: str, sentence: str) -> set[str]:
    """Return the frames that `text` may be made from, whoever it is that knows or hopes."""
    clause = re.escape(sentence.rstrip("."))

    def pattern(frame: str) -> str:
        fixed = re.escape(frame).replace(r"\{clause\}", f"(?i:{clause})").replace(r"\ was\ ", r"\ (?:was|were)\ ")
        return re.sub(r"\\{[Ww]ho\\}", r"[\\w ]{2,14}", fixed) + r"\.?"

    return {frame for frame in (*AFFIRMING, *DENYING, *OPEN) if re.fullmatch(pattern(frame), text)}


@pytest.mark.parametrize("seed", range(60))
def test_what_is_affirmed_follows_and_what_is_denied_does_not(seed: int) -> None:
    sentence = PASSAGE[0]
    for relation, kept, turned in (("follows", AFFIRMING, DENYING), ("contradicts", DENYING, AFFIRMING)):
        made = embed_sentence(sentence, relation, KNOWN, random.Random(seed))
        assert made
        text, statement = made
        assert statement in (sentence, "The bridge was not built by a baker.")
        frames = kept if statement == sentence else turned
        assert frames_of(text, sentence) & set(frames)
    made = embed_sentence(sentence, "open", KNOWN, random.Random(seed))
    assert made and frames_of(made[0], sentence) & set(OPEN)


def test_both_a_sentence_and_its_negation_are_asked_about() -> None:
    made = [embed_sentence(PASSAGE[0], "follows", KNOWN, random.Random(seed)) for seed in range(60)]
    assert {one[1] for one in made if one} == {PASSAGE[0], "The bridge was not built by a baker."}


@pytest.mark.parametrize(
    "sentence",
    [
        PASSAGE[1],
        "A man was shot in the street.",
        "Some players were tired.",
        "All players were tired.",
        "He said it was over.",
        "He left before the bridge was built.",
        "The man he was following left the town.",
        "The price rose faster than was expected.",
        "He knew how it was done.",
        "The mill should be closed.",
        "The man is probably ill.",
        "Everything was fine.",
    ],
)
def test_what_has_no_sure_negation_is_not_negated(sentence: str) -> None:
    made = [embed_sentence(sentence, "contradicts", KNOWN, random.Random(seed)) for seed in range(60)]
    assert {one[1] for one in made if one} == {sentence}


@pytest.mark.parametrize(
    ("frame", "relation"),
    [
        ("It turned out that the", "follows"),
        ("forgot that the", "follows"),
        ("did not know that the", "follows"),
        ("It is not true that the", "contradicts"),
        ("was wrong to think that the", "contradicts"),
        ("I do not think that the", "contradicts"),
        ("hoped that the", "open"),
        ("whether the", "open"),
        ("Suppose that the", "open"),
    ],
)
def test_frames_mean_what_they_say(frame: str, relation: str) -> None:
    found = {
        told
        for told in ("follows", "contradicts", "open")
        for seed in range(400)
        if (made := embed_sentence(PASSAGE[0], told, KNOWN, random.Random(seed)))
        and frame in made[0]
        and made[1] == PASSAGE[0]
    }
    assert found == {relation}


def test_names_keep_their_capital_and_other_words_lose_it() -> None:
    named = embed_sentence(PASSAGE[2], "open", KNOWN, random.Random(1))
    plain = embed_sentence(PASSAGE[0], "open", KNOWN, random.Random(1))
    assert named and "Anna Weber paid" in named[0]
    assert plain and "the bridge was" in plain[0] and "The bridge" not in plain[0]


@pytest.mark.parametrize(
    "sentence",
    [
        "Nobody has seen her since.",
        "She could not swim.",
        "Unfortunately, the bridge fell.",
        'He said: "I am here."',
        "Is the bridge open?",
        "Remember the bridge.",
        "The bridge " + "and the bridge " * 20 + "fell.",
        "",
    ],
)
def test_sentences_that_do_not_lend_themselves_are_left(sentence: str) -> None:
    assert {embed_sentence(sentence, "follows", KNOWN, random.Random(seed)) for seed in range(9)} == {None}


WORDS = st.sampled_from("the a it was is not boat Anna river, which sold - and 3 who of Linz".split())


@given(
    st.lists(WORDS, min_size=2, max_size=12), st.sampled_from(["follows", "contradicts", "open"]), st.integers(0, 99)
)
def test_a_text_holds_its_sentence_and_a_statement_adds_at_most_a_negation(
    words: list[str], relation: str, seed: int
) -> None:
    sentence = "The " + " ".join(words) + "."
    made = embed_sentence(sentence, relation, sentence, random.Random(seed))
    if made:
        text, statement = made
        assert normalise(sentence) in normalise(text)
        assert normalise(statement).replace(" not ", " ") == normalise(sentence).replace(" not ", " ")


def test_sentences_of_most_passages_lend_themselves() -> None:
    assert [bool(embed_sentence(one, "open", KNOWN, random.Random(0))) for one in PASSAGE] == [True, True, True, False]


def test_pairs_hold_the_text_before_and_are_balanced() -> None:
    many = [(f"The hill {i} is high.", f"It was climbed {i} times.", f"The path {i} is steep.") for i in range(300)]
    pairs = list(embedded_pairs(many, 600, 0))
    assert len(pairs) == 600
    counts = Counter(pair.relation for pair in pairs)
    assert set(counts) == {"follows", "contradicts", "open"} and min(counts.values()) > 150
    assert any("is high. " in pair.premise for pair in pairs)
    assert pairs == list(embedded_pairs(many, 600, 0)) != list(embedded_pairs(many, 600, 1))


def test_a_plan_says_how_many_there_are() -> None:
    many = [(f"The hill {i} is high.", f"It was climbed {i} times.", f"The path {i} is steep.") for i in range(300)]
    none = list(statement_groups([], many, Statements(groups=200, embedded=0), 0))
    all_of_them = list(statement_groups([], many, Statements(groups=200, embedded=1), 0))
    marks = ("whether", "not true that", "turned out that", "doubt that")
    assert not any(mark in one.instruction for one in none for mark in marks)
    assert sum(any(mark in one.instruction for mark in marks) for one in all_of_them) > 20
