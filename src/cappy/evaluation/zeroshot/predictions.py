"""Predictions of a task, kept as JSON lines: what every figure of a report is made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cappy.errors import InputError
from cappy.files.atomic import atomic_file
from cappy.files.rows import read_rows
from cappy.metrics.classification import Bools, Floats, padded, right_choices

_FEW = 10


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a system said of one row under one template.

    `row` numbers the row among those drawn; `right` are the places of the right choices; `scores` has a list [choices]
    for every way of scoring the system has (a scorer has one, a language model three).
    """

    template: str
    row: int
    right: tuple[int, ...]
    scores: Mapping[str, tuple[float, ...]]
    chosen: Mapping[str, str]
    answer: str


@dataclass(frozen=True)
class TemplatePredictions:
    """One template's predictions as arrays.

    `rows` [n] are their numbers, `truth` [n, choices] what is right, `scores` has [n, choices] by way of scoring.
    `constant` tells whether every row was asked with the same choices: what answers and predictions of ten rows or more
    tell of it.
    """

    template: str
    rows: tuple[int, ...]
    truth: Bools
    scores: Mapping[str, Floats]
    constant: bool


@dataclass(frozen=True)
class TaskPredictions:
    """All predictions of a task.

    `rows` is how many rows were drawn, `notes` what was passed over or missing; `key` stands for rows and templates:
    runs with the same one answered the same questions.
    """

    task: str
    rows: int
    predictions: tuple[Prediction, ...] = ()
    notes: tuple[str, ...] = ()
    key: str = ""

    @cached_property
    def templates(self) -> list[TemplatePredictions]:
        """The predictions by template, in the order of their first."""
        parts: dict[str, list[Prediction]] = {}
        for prediction in self.predictions:
            parts.setdefault(prediction.template, []).append(prediction)
        return [_arrays(name, part) for name, part in parts.items()]


def _arrays(template: str, part: list[Prediction]) -> TemplatePredictions:
    scores = {rule: padded([item.scores[rule] for item in part]) for rule in part[0].scores}
    width = next(iter(scores.values())).shape[1]
    truth = right_choices([item.right for item in part], width)
    return TemplatePredictions(template, tuple(item.row for item in part), truth, scores, _constant(part))


def _constant(part: Sequence[Prediction]) -> bool:
    """Tell whether no place is seen to hold two texts, and all rows have as many choices.

    A row shows the texts of its right place and of the chosen ones. Of a few rows these may differ by chance in place
    alone, though all choices do, so that such a template is never taken for constant.
    """
    if len(part) < _FEW:
        return False
    named: dict[int, str] = {}
    for item in part:
        seen = [(item.right[0], item.answer)]
        for rule, values in item.scores.items():
            seen.append((max(range(len(values)), key=values.__getitem__), item.chosen[rule]))
        if any(named.setdefault(place, text) != text for place, text in seen):
            return False
    return len({len(values) for item in part for values in item.scores.values()}) == 1


def rounded(scores: Iterable[float]) -> tuple[float, ...]:
    """Return scores as a file keeps them: nine digits, which tell all float32 numbers apart.

    Raises:
        InputError: a score is not finite.

    """
    values = tuple(float(f"{value:.9g}") for value in scores)
    if not np.isfinite(values).all():
        raise InputError("a score is not a finite number")
    return values


def as_json(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as a line of JSON holds it."""
    return {
        "template": prediction.template,
        "row": prediction.row,
        "right": list(prediction.right),
        "answer": prediction.answer,
        "chosen": dict(prediction.chosen),
        "scores": {rule: list(values) for rule, values in prediction.scores.items()},
    }


def from_json(line: Mapping[str, Any]) -> Prediction:
    """Return the prediction in a line.

    Raises:
        InputError: the line is none.

    """
    try:
        scores = {str(rule): tuple(map(float, values)) for rule, values in line["scores"].items()}
        right = tuple(map(int, line["right"]))
        widths = {len(values) for values in scores.values()}
        if len(widths) != 1 or not right or not all(0 <= place < min(widths) for place in right):
            raise ValueError("scores and right choices do not fit each other")
        return Prediction(
            str(line["template"]), int(line["row"]), right, scores, dict(line["chosen"]), str(line["answer"])
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"a line is no prediction ({error}).") from error


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write predictions, the file whole or not at all."""
    with atomic_file(path) as beside, beside.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(as_json(item), ensure_ascii=False) + "\n" for item in predictions)


def read_predictions(path: Path) -> tuple[Prediction, ...]:
    """Read a file of predictions.

    Raises:
        InputError: it cannot be read, or a line is none.

    """
    try:
        return tuple(from_json(line) for line in read_rows(path))
    except InputError as error:
        raise InputError(f"{path}: {str(error).rstrip('.')}.") from error
