"""From labels in any form to which classes are right [texts, classes]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.errors import InputError

Truth = NDArray[np.bool_]


def one_label(labels: Any) -> list[Any]:
    """Return one label per text, as plain values.

    Raises:
        InputError: there are several per text, or they are measurements rather than labels.

    """
    found = np.asarray(labels)
    if found.ndim != 1:
        raise InputError(
            "y must hold one label for each text; where texts have several, make Classifier(..., multi_label=True)."
        )
    if found.dtype.kind == "f":
        broken = found[~np.equal(found, np.floor(found))]
        if len(broken) and np.isnan(broken[0]):
            raise InputError("a label is missing (NaN); leave its text out.")
        if len(broken):
            raise InputError(f"Unknown label type: continuous values such as {broken[0]} are not labels.")
    return found.tolist()  # type: ignore[no-any-return]


def distinct(labels: Sequence[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the labels sorted, as scikit-learn expects, and the index of each among the choices.

    Raises:
        InputError: two choices share a label, or the labels have several types.

    """
    classes, columns = np.unique(np.array(labels), return_index=True)
    if len({type(label) for label in labels}) > 1 or classes.ndim != 1 or len(classes) < len(labels):
        raise InputError("labels must be of one simple type, and every choice must have its own.")
    return classes, columns.astype(np.int64)


def truth_of_one(labels: Sequence[Any], classes: NDArray[Any]) -> Truth:
    """Return which class is right, for texts with one label each.

    Raises:
        InputError: a label is not among the classes.

    """
    return truth_of_many([[label] for label in labels], classes)


def truth_of_many(labels: Any, classes: NDArray[Any]) -> Truth:
    """Return which classes are right, for texts with any number of labels.

    `labels` is a collection of labels per text, or a matrix [texts, classes] of 0 and 1.

    Raises:
        InputError: a label is not among the classes, or the matrix has another shape.

    """
    labels = as_matrix(labels)
    if is_matrix(labels):
        if not np.isin(labels, (0, 1)).all():
            raise InputError("a matrix of labels must hold 0 and 1 only.")
        if labels.shape[1] != len(classes):
            raise InputError(f"y has {labels.shape[1]} columns, but there are {len(classes)} classes.")
        return np.asarray(labels, dtype=bool)
    place = {label: number for number, label in enumerate(classes.tolist())}
    truth = np.zeros((len(labels), len(classes)), dtype=bool)
    for number, of_text in enumerate(labels):
        if isinstance(of_text, str) or not hasattr(of_text, "__iter__"):
            raise InputError(f"text {number} must have a list of labels, not {of_text!r}.")
        try:
            truth[number, [place[label] for label in of_text]] = True
        except (KeyError, TypeError) as error:
            raise InputError(f"a label ({error}) is not among the classes {classes.tolist()}.") from error
    return truth


def as_matrix(labels: Any) -> Any:
    """Return tables and sparse matrices as arrays, and anything else unchanged."""
    for name in ("toarray", "to_numpy"):
        if hasattr(labels, name) and len(getattr(labels, "shape", ())) == 2:
            return np.asarray(getattr(labels, name)())
    return labels


def is_matrix(labels: Any) -> bool:
    """Return whether labels are a matrix [texts, classes] of 0 and 1."""
    return isinstance(labels, np.ndarray) and labels.ndim == 2 and labels.dtype.kind in "biuf"


def labels_in(labels: Any) -> list[Any]:
    """Return the distinct labels, sorted, of texts with any number of labels; for a table, its column names.

    Raises:
        InputError: the labels are a matrix, whose columns have no names.

    """
    if hasattr(labels, "columns"):
        return list(labels.columns)
    if is_matrix(as_matrix(labels)):
        raise InputError("a matrix of 0 and 1 does not name its columns; give choices as well.")
    return sorted({label for of_text in labels for label in of_text}, key=str)


def f1(told: Truth, truth: Truth, counts: NDArray[np.float64] | float = 1.0) -> float:
    """Return the F1 of all (text, label) decisions, in [0, 1]; 1 if no label is right and none is predicted.

    `told` (the prediction) and `truth` are [texts, classes]; `counts` [texts, 1] is how much each text counts.
    """
    both, either = (counts * (told & truth)).sum(), (counts * told).sum() + (counts * truth).sum()
    return float(2 * both / either) if either else 1.0
