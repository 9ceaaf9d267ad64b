from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cappy.errors import InputError
from cappy.evaluation.zeroshot.predictions import Prediction, TaskPredictions
from cappy.evaluation.zeroshot.report import batch_calibration_note, difference_lines, json_report, markdown_report
from cappy.evaluation.zeroshot.runfolder import Run
from cappy.evaluation.zeroshot.summary import summarise

CHOICES = ("red", "green", "blue")


def biased(template: str, texts: int = 60, move: bool = False) -> list[Prediction]:
    """Scores that know the answer, and like the first place more; with `move`, choices change their places by row."""
    draw = np.random.default_rng(7)
    found = []
    for row in range(texts):
        names = CHOICES[row % 3 :] + CHOICES[: row % 3] if move else CHOICES
        right = row % len(names)
        values = draw.normal(0, 0.1, len(names)) + np.array([2.0, 0.0, -1.0])
        values[right] += 1
        chosen = names[int(values.argmax())]
        scores = {"score": tuple(map(float, values))}
        found.append(Prediction(template, row, (right,), scores, {"score": chosen}, names[right]))
    return found


def accuracies(predictions: list[Prediction], share: float) -> list[list[float]]:
    task = TaskPredictions("colours", 60, tuple(predictions), (), "key")
    return [one.tasks[0].accuracies for one in summarise(Run("one", {"score": 1.0}, (task,)), 0, share)]


def slowly(predictions: list[Prediction], share: float) -> float:
    """Return the accuracy, one row and one choice at a time."""
    hits = 0
    for item in predictions:
        adjusted = []
        for place in range(len(CHOICES)):
            everywhere = sum(other.scores["score"][place] for other in predictions) / (len(predictions) + 1)
            adjusted.append(item.scores["score"][place] - share * everywhere)
        hits += adjusted.index(max(adjusted)) in item.right
    return hits / len(predictions)


def test_what_a_choice_scores_whatever_the_text_is_taken_away() -> None:
    predictions = biased("constant")
    (plain,), (calibrated,) = accuracies(predictions, 1.0)
    assert plain == pytest.approx(1 / 3)
    assert calibrated == 1.0
    for share in (0.25, 0.5, 0.75):
        assert accuracies(predictions, share)[1][0] == slowly(predictions, share)
    assert len(accuracies(predictions, 0.0)) == 1


def test_places_that_hold_other_choices_from_row_to_row_are_left_alone() -> None:
    found = accuracies([*biased("constant"), *biased("moving", move=True)], 1.0)
    assert found[0] == [pytest.approx(1 / 3), pytest.approx(1 / 3)]
    assert found[1] == [1.0, found[0][1]]


def test_few_rows_and_rows_with_fewer_choices_are_left_alone() -> None:
    for odd in (biased("few", texts=9), [*biased("uneven"), shorter(biased("uneven")[0])]):
        plain, calibrated = accuracies(odd, 1.0)
        assert calibrated == plain


def shorter(item: Prediction) -> Prediction:
    return replace(item, row=0, scores={"score": item.scores["score"][:2]})


def test_the_report_says_what_was_done_and_compares_like_with_like() -> None:
    task = TaskPredictions("colours", 60, tuple(biased("constant")), (), "key")
    moving = TaskPredictions("moving", 60, tuple(biased("constant", move=True)), (), "other key")
    runs = [Run(name, {"score": 1.0}, (task, moving)) for name in ("one", "two")]
    systems = [figures for run in runs for figures in summarise(run, 0, 1.0)]
    gaps = [line.split(":")[0] for line in difference_lines(systems)]
    assert gaps == [
        "- one against two",
        "- one, batch-calibrated against two, batch-calibrated",
        "- one, batch-calibrated against one",
        "- two, batch-calibrated against two",
    ]
    (note,) = batch_calibration_note(systems)
    assert note.endswith("Left as they are: moving.")
    assert note in markdown_report(systems)
    assert not batch_calibration_note(summarise(runs[0]))
    found = json_report(systems)["systems"][1]
    assert found["batch_calibration"] == 1.0
    assert [one["templates"][0]["batch_calibrated"] for one in found["results"]] == [True, False]


def test_systems_are_named_by_what_was_done_to_them() -> None:
    task = TaskPredictions("colours", 60, tuple(biased("constant")), (), "key")
    names = [one.name for one in summarise(Run("one", {"score": 1.0}, (task,)), 0, 0.5)]
    assert names == ["one", "one, batch-calibrated 0.5"]
    with pytest.raises(InputError, match="between 0 and 1"):
        summarise(Run("one", {"score": 1.0}, (task,)), 0, 2.0)
