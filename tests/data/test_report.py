"""What is in a set of groups, counted by hand and seen in the page."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from cappy.data.contamination import EvaluationTexts
from cappy.data.report import html_report, in_order, stacked_bars
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
    total = summary.total
    assert total.groups == 3
    assert summary.candidates == {"reference": 3, "sample:topk": 2, "choice": 2}
    assert (total.duplicates, total.repeated_instructions) == (1, 1)
    assert summary.duplicates == [again]
    assert (summary.tasks["quiz"].duplicates, summary.tasks["other"].duplicates) == (1, 0)
    assert total.labels["reference"].count == 3
    assert total.response_words["reference"].mean == pytest.approx((1 + 5 + 1) / 3)
    assert total.instruction_words.total == 7 + 2 + 7
    quiz = summary.tasks["quiz"]
    assert (quiz.groups, dict(quiz.templates)) == (2, {"a": 1, "c": 1})
    assert quiz.labels["sample:topk"].mean == 0.25
    assert quiz.labels["sample:topk"].bins == [0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
    assert "choice" not in quiz.labels
    assert {origin: words.mean for origin, words in quiz.response_words.items()} == {
        "reference": 1,  # Paris
        "sample:topk": 3,  # Rome & Bonn
        "choice": 1,  # no
    }
    assert quiz.instruction_words.mean == 7
    assert summary.overlap_counts == {("anli.jsonl", "quiz"): 2}
    assert summarise([ONE]).overlaps is None


def test_bins() -> None:
    assert [label_bin(x) for x in (-0.1, 0, 0.05, 0.1, 0.99, 1, 1.2)] == [0, 0, 0, 1, 9, 9, 9]
    assert [WORD_EDGES[word_bin(n)] for n in (0, 1, 3, 4, 600)] == [0, 1, 2, 4, 512]


def test_bars_are_stacked_and_the_tallest_is_full() -> None:
    bars = stacked_bars({"reference": [2, 0, 1], "choice": [2, 0, 0]}, ["a", "b", "c"])
    assert [(bar.name, bar.count) for bar in bars] == [("a", 4), ("b", 0), ("c", 1)]
    assert bars[0].parts == (("reference", 2, 50.0), ("choice", 2, 50.0))
    assert bars[1].parts == ()
    assert bars[2].parts == (("reference", 1, 25.0),)


def test_origins_are_ordered_by_kind() -> None:
    assert in_order(["x", "sample:b", "other", "sample:a", "reference"]) == [
        "reference",
        "other",
        "sample:a",
        "sample:b",
        "x",
    ]


def test_an_empty_set_has_a_page_too() -> None:
    assert "No evaluation set was named" in html_report("none", "", summarise([]))


def test_tasks_may_have_candidates_of_different_origins() -> None:
    other = Group("name one", (Candidate("red", 1.0, "reference"), Candidate("blue", None, "sample:x")), "naming")
    assert "naming" in html_report("two", "", summarise([ONE, other]))


def test_examples_are_drawn_from_all_groups() -> None:
    groups = [Group(f"number {i}", TWO.candidates, "t") for i in range(400)]
    drawn = {group.instruction for seed in range(60) for group in summarise(groups, seed=seed).tasks["t"].examples}
    assert len(drawn) > 100
    assert any(int(name.split()[1]) > 300 for name in drawn)


def test_the_page_holds_the_texts_as_texts_and_loads_nothing(tmp_path: Path) -> None:
    evil = Group("<script>alert(1)</script> \ud800", (Candidate("<img src=x>", 1.0),), "<task>", "t")
    summary = summarise([ONE, evil])
    manifest = {
        "shards": [],
        "problems": {"empty answer": 2},
        "problem_samples": {"empty answer": [["x.csv:3", "no <text>"]]},
        "passed_over": {"ag/<b>": 1234},
    }
    page = html_report("my groups", "about it", summary, manifest)
    page.encode("utf-8")
    tags: list[str] = []
    words: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert not {name for name, _ in attrs} & {"src", "onload"}
            assert all((value or "").startswith("#") for name, value in attrs if name == "href")

        def handle_data(self, data: str) -> None:
            words.append(data)

    Reader().feed(page)
    assert not {"script", "img", "link", "b>cities"} & set(tags)
    text = " ".join(words)
    for expected in (
        "<script>alert(1)</script>",
        "Rome & Bonn",
        "<img src=x>",
        "empty answer",
        "x.csv:3",
        "0.25",
        "ag/<b>",
        "1,234",
    ):
        assert expected in text
