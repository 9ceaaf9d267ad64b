"""Sentences and phrases: only a text's own words, and none that a template says everywhere."""

from __future__ import annotations

from cappy.data.phrases import phrases, sentences
from cappy.group import Candidate, Group
from cappy.text.normalization import normalise


def groups() -> list[Group]:
    wording = "Read the following text and answer the question below."
    made = []
    for number in range(40):
        text = f"Question: Traveller number {number} lost a purple suitcase at station {number}! Too short."
        right = Candidate(f"a clerk in town {number} found it later", 1.0, "reference")
        made.append(Group(f"{wording}\n{text}", (right, Candidate("this wrong answer is left out", 0.0))))
    return made


def test_sentences_are_the_texts_own() -> None:
    found = sentences(groups(), 1000, 0)
    assert "Traveller number 3 lost a purple suitcase at station 3!" in found  # without "Question: "
    assert "a clerk in town 3 found it later" in found
    assert len(found) == 80  # no template wording, no wrong answer, nothing short
    assert sentences(groups(), 7, 0) == found[:7]
    assert sentences(groups(), 1000, 1) != found


def test_phrases_are_runs_of_words_that_name_something() -> None:
    colours = ("crimson", "azure", "amber", "indigo", "violet", "olive")
    things = ("umbrella", "lantern", "kettle", "saddle", "barrel", "pillow")
    texts = [f"of the {colour} {thing}, the {thing} of {colour}" for colour in colours for thing in things]
    found = phrases(texts, 100, 0)
    assert found == list(dict.fromkeys(found))
    assert found
    for phrase in found:
        assert any(f" {phrase} " in f" {normalise(clause)} " for text in texts for clause in text.split(","))
        assert not {phrase.split()[0], phrase.split()[-1]} & {"of", "the"}
    assert len(phrases(texts, 2, 0)) == 2
    assert phrases([], 10, 0) == []
