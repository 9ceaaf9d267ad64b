"""`cappy adapt` on labelled texts: train a classifier and report what it learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cappy.cli.options import load_scorer
from cappy.cli.output import print_table
from cappy.errors import MissingExtraError

if TYPE_CHECKING:
    from cappy.classification.report import Judgement
    from cappy.classifier import Classifier
    from cappy.data.labelled_texts import LabelledTexts

Learn = Callable[["Classifier", Sequence[str], Sequence[Any], Path], tuple["Classifier", str, Sequence[int]]]
"""Learns from labelled texts and writes the classifier into a folder. Returns the classifier, a sentence about it, and
the indices of the texts that its `left_out_proba_` covers."""

REPORT_FILE = "report.html"
MATRIX = 8
"""Up to this many classes, the whole confusion table is shown; above, the most frequent confusions."""
SHOWN = 10
EACH = "Every text is judged by a classifier that learnt from all the others."
HELD_OUT = (
    "The texts that the scorer was not trained on are judged, each by a head that learnt from the others of them."
)
SHARES = ("recall", "precision")


def learn_head(
    classifier: Classifier, texts: Sequence[str], labels: Sequence[Any], output: Path
) -> tuple[Classifier, str, Sequence[int]]:
    """Learn a head on top of the scorer, in seconds and without torch."""
    classifier.fit(texts, labels)
    classifier.save(output)
    return classifier, str(classifier.report_), range(len(texts))


def learn_labels(
    rows: LabelledTexts, output: Path, template: str | None, model: str | None, threads: int, learn: Learn
) -> None:
    """Train a classifier on labelled texts, show what it learnt, and write it with a report."""
    from cappy.checkpoint.sidecar import CLASSIFIER
    from cappy.classification.report import Judgement, page
    from cappy.classification.targets import truth_of_many
    from cappy.classifier import Classifier
    from cappy.data.labelled_texts import guess_instruction

    CLASSIFIER.check_place(output)
    for line in rows.left_out[:SHOWN]:
        typer.echo(f"left out: {line}", err=True)
    if len(rows.left_out) > SHOWN:
        typer.echo(f"left out: {len(rows.left_out) - SHOWN} further rows", err=True)
    labels, several = rows.different, rows.lists is not None
    asked = template or guess_instruction(rows.text_column, rows.label_column, labels, several)
    typer.echo(f"texts from column {rows.text_column!r}, labels from {rows.label_column!r}")
    typer.echo(f"instruction (change it with --template): {asked!r}")
    scorer = load_scorer(model, "onnx", None, None, threads)
    classifier = Classifier(instruction=asked, scorer=scorer, multi_label=several)
    name = classifier.scorer_name
    classifier, said, places = learn(classifier, rows.texts, rows.lists or rows.labels, output)
    truth = truth_of_many(rows.lists or [[label] for label in rows.labels], classifier.classes_)[list(places)]
    judged = [rows.texts[place] for place in places]
    told = Judgement(judged, truth, classifier.classes_.tolist(), classifier.left_out_proba_, several)
    typer.echo(said)
    show_classes(told) if several else show_confusion(told)
    facts = {"learnt": said, "asked as": asked, "scorer": name}
    about = EACH if len(judged) == len(rows.texts) else HELD_OUT
    try:
        (output / REPORT_FILE).write_text(page(told, f"{output.name}: what it learnt", about, facts), encoding="utf-8")
    except MissingExtraError as error:
        typer.echo(str(error), err=True)
    typer.echo(f'classifier written to {output}; use it with: cappy classify -m {output} "some text"')


def show_confusion(told: Judgement) -> None:
    """Print which labels were confused."""
    if len(told.classes) > MATRIX:
        rows = [[right, other, str(count)] for right, other, count in told.confused()[:SHOWN]]
        print_table("confused most often", ["right", "told instead", "texts"], rows, numbers=(2,))
        return
    counts = told.counts()
    rows = [[right, *(str(counts[right, other]) for other in told.classes)] for right in told.classes]
    numbers = tuple(range(1, len(told.classes) + 1))
    print_table("rows: right label; columns: label told", ["", *told.classes], rows, numbers=numbers)


def show_classes(told: Judgement) -> None:
    """Print recall and precision of each label."""
    rows = [
        [one["label"], str(one["texts"]), *("–" if one[name] is None else f"{100 * one[name]:.0f}%" for name in SHARES)]
        for one in sorted(told.by_class(), key=lambda one: -one["texts"])[: 2 * SHOWN]
    ]
    print_table("the most frequent labels", ["label", "texts", *SHARES], rows, numbers=(1, 2, 3))
