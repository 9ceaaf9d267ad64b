"""A classifier's parameters, checked: the text and the label of every choice, and options that must fit together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cappy.calibration.batch import check_share
from cappy.classification.targets import labels_in
from cappy.errors import InputError


def choice_texts(
    choices: Sequence[str], labels: Sequence[Any] | None, known: Any, multi_label: bool
) -> tuple[list[str], list[Any]]:
    """Return the text that the scorer reads for each choice, and its label.

    Without choices and labels, the labels are those that the `known` ones of examples name.

    Raises:
        InputError: there are too few choices, one is given twice, or the labels are not as many.

    """
    if isinstance(choices, str):
        raise InputError("a classifier needs at least two choices.")
    found = list(labels if labels is not None else choices)
    if not len(choices) and labels is None and known is not None:
        found = labels_in(known) if multi_label else sorted(set(known), key=str)
    texts = list(choices) if len(choices) else [str(label).replace("_", " ") for label in found]
    if len(texts) < (1 if multi_label else 2):
        raise InputError("a classifier needs at least two choices.")
    if not all(isinstance(choice, str) for choice in texts):
        raise InputError("choices must be texts; use labels to predict something else.")
    if len(set(texts)) < len(texts):
        raise InputError("a choice is given twice.")
    if len(found) != len(texts):
        raise InputError(f"there are {len(texts)} choices but {len(found)} labels.")
    return texts, found


def check_options(
    instruction: str, batch_calibration: float, reject: float | None, class_weight: Any, multi_label: bool
) -> None:
    """Refuse options that cannot be used, alone or together.

    Raises:
        InputError: they cannot.

    """
    if "{text}" not in instruction:
        raise InputError("the instruction template must hold {text} where the text goes.")
    check_share(batch_calibration)
    if reject is not None and not 0 < reject < 1:
        raise InputError(f"reject is {reject}, but must be a share between 0 and 1.")
    if multi_label and (reject is not None or class_weight is not None):
        raise InputError("reject and class_weight are for texts with one label each, not for multi_label.")
