"""Texts with several labels, or none."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cappy.calibration.temperature import sigmoid
from cappy.classification.head import fit_head
from cappy.classification.targets import f1, labels_in, one_label, truth_of_many

Floats = NDArray[np.float64]


def topics(count: int, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Texts about any of three topics, or none, which their features tell apart, nearly."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(3, 24))
    truth = draw.random((count, 3)) < 0.4
    features = truth @ centres + draw.normal(scale=0.6, size=(count, 24))
    return features / np.linalg.norm(features, axis=1, keepdims=True), truth


def test_where_scores_say_nothing_the_features_are_learnt_with_no_label_at_all_among_them() -> None:
    features, truth = topics(120, 0)
    noise = np.random.default_rng(1).normal(0.5, 0.05, (120, 3))
    fitted = fit_head(features, noise, truth, 0.15, independent=True)
    assert fitted.accuracy > fitted.zero_shot + 0.1
    new, right = topics(300, 5)
    logits = fitted.head.logits(new, np.random.default_rng(2).normal(0.5, 0.05, (300, 3)))
    assert f1(logits > 0, right) > 0.8
    assert (~right.any(axis=1)).any()
    chances = sigmoid(logits)
    for low in (0.0, 0.5):  # they are as likely as they are said to be
        among = (chances >= low) & (chances < low + 0.5)
        assert right[among].mean() == pytest.approx(chances[among].mean(), abs=0.1)


def test_where_scores_are_right_noise_is_not_learnt() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(12, 30))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    truth = draw.random((12, 3)) < 0.5
    fitted = fit_head(features, np.where(truth, 0.9, 0.1), truth, 0.15, independent=True)
    assert fitted.zero_shot == 1
    right = draw.random((100, 3)) < 0.5
    new = draw.normal(size=(100, 30))
    new /= np.linalg.norm(new, axis=1, keepdims=True)
    assert f1(fitted.head.logits(new, np.where(right, 0.9, 0.1)) > 0, right) > 0.98


def test_f1_counts_decisions() -> None:
    told, truth = np.array([[True, True], [False, False]]), np.array([[True, False], [True, False]])
    assert f1(told, truth) == pytest.approx(2 * 1 / (2 + 2))
    assert f1(told & False, truth & False) == 1


def test_labels_of_all_kinds() -> None:
    classes = np.array(["x", "y"])
    assert truth_of_many([["y", "x"], [], ("y",)], classes).tolist() == [[True, True], [False, False], [False, True]]
    assert truth_of_many(np.array([[0, 1]]), classes).tolist() == [[False, True]]
    assert labels_in([["b"], ["a", "b"], []]) == ["a", "b"]
    table = pandas.DataFrame({"x": [0, 1], "y": [1, 1]})
    assert truth_of_many(table, classes).tolist() == [[False, True], [True, True]]
    assert labels_in(table) == ["x", "y"]
    assert truth_of_many(csr_matrix([[0, 1]]), classes).tolist() == [[False, True]]
    for labels, said in (
        (np.array([[1, -1]]), "0 and 1 only"),
        ([["z"]], "not among"),
        (["x"], "list of labels"),
        (np.zeros((2, 3)), "3 columns"),
    ):
        with pytest.raises(ValueError, match=said):
            truth_of_many(labels, classes)
    with pytest.raises(ValueError, match="multi_label"):
        one_label([["x"], ["y"]])
    with pytest.raises(ValueError, match="continuous"):
        one_label([0.5, 1.0])
    with pytest.raises(ValueError, match="missing"):
        one_label([1.0, float("nan")])
    assert one_label([1.0, 2.0]) == [1.0, 2.0]
