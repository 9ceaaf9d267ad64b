"""What is in a set of groups, counted by hand and seen in the page."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from cappy.data.contamination import EvaluationTexts
from cappy.data.report import html_report
from cappy.data.summary import WORD_EDGES, label_bin, summarise, word_bin
from cappy.group import Candidate, Group

ONE = Group(
    "which of the two <b>cities</b> is it?",
    (Candidate("Paris", 1.0, "reference"), Candidate("Rome & Bonn", 0.25, "sample:topk"), Candidate("no", None)),
    "quiz",
    "a",
)
TWO = Group("say it", (Candidate("a b c d e", 1.0, "reference"),), "other", "b")


def test_everything_is_counted() -> None:
    again = Group("Which of the two <b>cities</b> is it!", ONE.candidates[::-1], "quiz", "c")
    texts = EvaluationTexts([("anli.jsonl", {"premise": "Of the two b cities b!"})])
    summary = summarise([ONE, TWO, again], texts)
    assert summary.groups == 3
    assert summary.candidates == {"reference": 3, "sample:topk": 2, "choice": 2}
    assert (summary.duplicates, summary.repeated_instructions) == (1, 1)
    quiz = summary.tasks["quiz"]
    assert (quiz.groups, dict(quiz.templates)) == (2, {"a": 1, "c": 1})
    assert quiz.labels["sample:topk"].mean == 0.25
    assert quiz.labels["sample:topk"].bins == [0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
    assert "choice" not in quiz.labels
    assert quiz.response_words.mean == pytest.approx(5 / 3)  # Paris; Rome & Bonn; no
    assert quiz.instruction_words.mean == 7
    assert summary.overlap_counts == {("anli.jsonl", "quiz"): 2}
    assert summarise([ONE]).overlaps is None


def test_bins() -> None:
    assert [label_bin(x) for x in (-0.1, 0, 0.05, 0.1, 0.99, 1, 1.2)] == [0, 0, 0, 1, 9, 9, 9]
    assert [WORD_EDGES[word_bin(n)] for n in (0, 1, 3, 4, 600)] == [0, 1, 2, 4, 512]


def test_examples_are_drawn_from_all_groups() -> None:
    groups = [Group(f"number {i}", TWO.candidates, "t") for i in range(400)]
    drawn = {group.instruction for seed in range(60) for group in summarise(groups, seed=seed).tasks["t"].examples}
    assert len(drawn) > 100
    assert any(int(name.split()[1]) > 300 for name in drawn)


def test_the_page_holds_the_texts_as_texts_and_loads_nothing(tmp_path: Path) -> None:
    evil = Group("<script>alert(1)</script> \ud800", (Candidate("<img src=x>", 1.0),), "<task>", "t")
    summary = summarise([ONE, evil])
    manifest = {"problems": {"empty answer": 2}, "problem_samples": {"empty answer": [["x.csv:3", "no <text>"]]}}
    page = html_report("my groups", "about it", summary, manifest)
    page.encode("utf-8")
    tags: list[str] = []
    words: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert not {name for name, _ in attrs} & {"src", "href", "onload"}

        def handle_data(self, data: str) -> None:
            words.append(data)

    Reader().feed(page)
    assert not {"script", "img", "link", "b>cities"} & set(tags)
    text = " ".join(words)
    for expected in ("<script>alert(1)</script>", "Rome & Bonn", "<img src=x>", "empty answer", "x.csv:3", "0.25"):
        assert expected in text
