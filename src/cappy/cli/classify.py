"""`cappy classify`: texts to choices, without training or with a trained classifier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cappy.classifier import Classifier

DEFAULT_INSTRUCTION = "{text}\nWhich of these describes the text best: {choices}?"


def classify(
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts to classify; - reads them from standard input, one a line.")
    ] = None,
    choice: Annotated[
        list[str] | None, typer.Option("--choice", "-c", help="A choice; repeat for two or more.")
    ] = None,
    choices: Annotated[Optional[str], typer.Option(help="All choices, separated by commas.")] = None,  # noqa: UP045
    instruction: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--instruction", "-i", help="Instruction template with {text}, and {choices} if wanted."),
    ] = None,
    file: Annotated[Optional[Path], typer.Option("--file", "-f", help="Read texts from a file, one a line.")] = None,  # noqa: UP045
    batch_calibration: BatchCalibration = 0.0,
    as_json: AsJson = False,
    model: Model = None,
    runtime: Runtime = None,
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Classify texts among choices without labels, or with a classifier that `cappy adapt` trained.

    Example: cappy classify "I waited an hour" -c "good service" -c "bad service"

    Example: cappy classify -m my-classifier "I waited an hour"
    """
    from cappy.checkpoint.sidecar import CLASSIFIER
    from cappy.classifier import Classifier

    names = list(choice or []) + [part.strip() for part in (choices or "").split(",") if part.strip()]
    given = gather_texts(texts or [], file)
    if not given:
        raise InputError("there are no texts to classify.")
    if not names and model and (Path(model) / CLASSIFIER.settings_file).is_file():
        if instruction:
            raise InputError(f"{model} is a classifier with its own instruction; leave --instruction out.")
        options = {"runtime": runtime, "layout": layout, "precision": precision, "threads": threads}
        classifier = Classifier.load(model, **options)
    else:
        scorer = load_scorer(model, runtime, layout, precision, threads)
        classifier = Classifier(names, instruction or DEFAULT_INSTRUCTION, scorer=scorer).fit()
    shown = _several(classifier, given) if classifier.multi_label else _one(classifier, given, batch_calibration)
    rows = []
    for text, (told, chances) in zip(given, shown, strict=True):
        if as_json:
            label = {"labels": told} if classifier.multi_label else {"label": told[0]}
            print_json({"text": text, **label, "probabilities": chances})
        rows.append([", ".join(map(str, told)), ", ".join(f"{chances[name]:.2f}" for name in told), text])
    if not as_json:
        print_table("", ["label", "share", "text"], rows, numbers=(1,))


def _one(classifier: Classifier, texts: list[str], share: float) -> Iterator[tuple[list[Any], dict[Any, float]]]:
    """Return the most likely label of each text, and the probability of every label."""
    import numpy as np

    from cappy.calibration.batch import batch_offsets
    from cappy.calibration.temperature import softmax

    logits = np.log(np.maximum(classifier.predict_proba(texts), 1e-30))
    for shares in softmax(logits + batch_offsets(logits, share)):
        yield [classifier.classes_.tolist()[int(shares.argmax())]], _chances(classifier, shares)


def _several(classifier: Classifier, texts: list[str]) -> Iterator[tuple[list[Any], dict[Any, float]]]:
    """Return all labels of each text, most likely first, and the probability of every label."""
    for shares in classifier.predict_proba(texts):
        chances = _chances(classifier, shares)
        yield sorted((name for name in chances if chances[name] > 0.5), key=lambda name: -chances[name]), chances


def _chances(classifier: Classifier, shares: NDArray[Any]) -> dict[Any, float]:
    return dict(zip(classifier.classes_.tolist(), map(float, shares), strict=True))
