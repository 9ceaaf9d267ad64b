"""Predictions of a task, saved as JSON lines; all results of a report are computed from them."""

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
    """A system's prediction for one row under one template.

    `row`: the row's number among those drawn. `right`: the places of the right choices. `scores`: a list [choices] for
    each of the system's scoring rules; a scorer has one, a language model three.
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

    `rows` [n]: their numbers. `truth` [n, choices]: which choices are right. `scores`: [n, choices] by scoring rule.
    `constant`: whether every row had the same choices, judged by right answers and predictions of at least ten rows.
    """

    template: str
    rows: tuple[int, ...]
    truth: Bools
    scores: Mapping[str, Floats]
    constant: bool


@dataclass(frozen=True)
class TaskPredictions:
    """All predictions of a task.

    `rows`: the number of rows drawn. `notes`: what was skipped or missing. `key`: a hash of rows and templates; runs
    with the same key answered the same questions.
    """

    task: str
    rows: int
    predictions: tuple[Prediction, ...] = ()
    notes: tuple[str, ...] = ()
    key: str = ""

    @cached_property
    def templates(self) -> list[TemplatePredictions]:
        """The predictions by template, in order of first appearance."""
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
    """Tell whether no place is seen with two texts, and all rows have the same number of choices.

    A row shows the texts of its right and chosen places only. With fewer than `_FEW` rows different choices may go
    unnoticed, so such a template never counts as constant.
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
    """Round scores for saving: nine digits, which distinguish all float32 numbers.

    Raises:
        InputError: a score is not finite.

    """
    values = tuple(float(f"{value:.9g}") for value in scores)
    if not np.isfinite(values).all():
        raise InputError("a score is not a finite number")
    return values


def as_json(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as a JSON object."""
    return {
        "template": prediction.template,
        "row": prediction.row,
        "right": list(prediction.right),
        "answer": prediction.answer,
        "chosen": dict(prediction.chosen),
        "scores": {rule: list(values) for rule, values in prediction.scores.items()},
    }


def from_json(line: Mapping[str, Any]) -> Prediction:
    """Return the prediction in a JSON object.

    Raises:
        InputError: it is not a prediction.

    """
    try:
        scores = {str(rule): tuple(map(float, values)) for rule, values in line["scores"].items()}
        right = tuple(map(int, line["right"]))
        widths = {len(values) for values in scores.values()}
        if len(widths) != 1 or not right or not all(0 <= place < min(widths) for place in right):
            raise ValueError("scores and right choices do not match")
        return Prediction(
            str(line["template"]), int(line["row"]), right, scores, dict(line["chosen"]), str(line["answer"])
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"a line is not a prediction ({error}).") from error


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write predictions atomically."""
    with atomic_file(path) as beside, beside.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(as_json(item), ensure_ascii=False) + "\n" for item in predictions)


def read_predictions(path: Path) -> tuple[Prediction, ...]:
    """Read a file of predictions.

    Raises:
        InputError: the file cannot be read, or a line is not a prediction.

    """
    try:
        return tuple(from_json(line) for line in read_rows(path))
    except InputError as error:
        raise InputError(f"{path}: {str(error).rstrip('.')}.") from error
