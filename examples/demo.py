"""What the bundled scorer does, offline: rank answers, classify texts. Run by `make demo`."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

import cappy

HERE = Path(__file__).parent


def show_ranking(console: Console, ranking: cappy.Ranking) -> None:
    console.print(ranking.instruction, style="bold", markup=False)
    table = Table("score", "candidate")
    for item in ranking:
        table.add_row(f"{item.score:.3f}", item.text)
    console.print(table, "")


def show_classes(console: Console, title: str, file: str, classifier: cappy.Classifier) -> None:
    texts = (HERE / file).read_text(encoding="utf-8").splitlines()
    table = Table("label", "share", "text", title=title, title_justify="left")
    for text, shares in zip(texts, classifier.predict_proba(texts), strict=True):
        best = shares.argmax()
        table.add_row(str(classifier.classes_[best]), f"{shares[best]:.2f}", text)
    console.print(table, "")


def main() -> None:
    console = Console(width=100)
    scorer = cappy.load()
    console.rule("Ranking candidate answers")
    for line in (HERE / "rank.jsonl").read_text(encoding="utf-8").splitlines():
        task = json.loads(line)
        show_ranking(console, scorer.rank(task["instruction"], task["candidates"]))
    console.rule("Classifying texts, without training")
    sentiment = cappy.Classifier(
        choices=["negative", "positive"],
        instruction="{text}\nIs this review positive or negative?",
        scorer=scorer,
    )
    show_classes(console, "Reviews", "reviews.txt", sentiment)
    topics = cappy.Classifier(
        choices=["card arrival", "change pin", "lost or stolen phone", "cash withdrawal charge", "exchange rate"],
        instruction="Which help page answers this query?\nQuery: {text}",
        scorer=scorer,
    )
    show_classes(console, "Questions to a bank", "questions.txt", topics)


if __name__ == "__main__":
    main()
