"""`cappy classify`: texts to choices, without training or by a classifier that was learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.cli.options import (
    AsJson,
    BatchCalibration,
    Layout,
    Model,
    Precision,
    Runtime,
    Threads,
    gather_texts,
    load_scorer,
)
from cappy.cli.output import print_json, print_table
from cappy.errors import InputError

DEFAULT_INSTRUCTION = "{text}\nWhich of these describes the text best: {choices}?"


def classify(
    texts: Annotated[Optional[list[str]], typer.Argument(help="Texts to classify; - reads them, one a line.")] = None,  # noqa: UP045
    choice: Annotated[Optional[list[str]], typer.Option("--choice", "-c", help="A choice; give two or more.")] = None,  # noqa: UP045
    choices: Annotated[Optional[str], typer.Option(help="All choices in one, separated by commas.")] = None,  # noqa: UP045
    instruction: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--instruction", "-i", help="What to ask; {text} and {choices} are filled in."),
    ] = None,
    file: Annotated[Optional[Path], typer.Option("--file", "-f", help="Read texts from a file, one a line.")] = None,  # noqa: UP045
    batch_calibration: BatchCalibration = 0.0,
    as_json: AsJson = False,
    model: Model = None,
    runtime: Runtime = "onnx",
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Classify texts among choices, with no labels and no training, or by a classifier that `cappy adapt` learnt.

    Example: cappy classify "I waited an hour" -c "good service" -c "bad service"

    Example: cappy classify -m my-classifier "I waited an hour"
    """
    from cappy.batch_calibration import batch_offsets
    from cappy.classify import Classifier
    from cappy.heads.saved import SETTINGS_FILE
    from cappy.temperature import softmax

    names = list(choice or []) + [part.strip() for part in (choices or "").split(",") if part.strip()]
    given = gather_texts(texts or [], file)
    if not given:
        raise InputError("there are no texts to classify.")
    if not names and model and (Path(model) / SETTINGS_FILE).is_file():
        if instruction:
            raise InputError(f"{model} is a classifier with its own instruction; leave --instruction out.")
        options = {"runtime": runtime, "layout": layout, "precision": precision, "threads": threads}
        classifier = Classifier.load(model, **options)
    else:
        scorer = load_scorer(model, runtime, layout, precision, threads)
        classifier = Classifier(names, instruction or DEFAULT_INSTRUCTION, scorer=scorer).fit()
    logits = classifier.decision_function(given)
    labels = classifier.classes_.tolist()  # the columns of what it predicts, in alphabetical order
    rows = []
    for text, shares in zip(given, softmax(logits + batch_offsets(logits, batch_calibration)), strict=True):
        best = int(shares.argmax())
        if as_json:
            chances = {name: float(share) for name, share in zip(labels, shares, strict=True)}
            print_json({"text": text, "label": labels[best], "probabilities": chances})
        rows.append([labels[best], f"{shares[best]:.2f}", text])
    if not as_json:
        print_table("", ["label", "share", "text"], rows, numbers=(1,))
