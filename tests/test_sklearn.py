"""scikit-learn's own checks of estimators, run on a classifier of texts, and the tools that people use with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils import InputTags, Tags, estimator_checks

import cappy
from cappy.classifier import Classifier

TEXTS = ["good film", "bad film", "a great movie", "terrible", "the river", "no good"] * 3
LABELS = ["yes", "no", "yes", "no", "no", "no"] * 3


@pytest.fixture(scope="module")
def scorer(shared_bert: Path) -> cappy.Scorer:
    return cappy.load(shared_bert)


class OfNumbers(Classifier):
    """Reads rows of numbers as texts: scikit-learn's checks make no others."""

    def __init__(
        self,
        choices: Sequence[str] = (),
        instruction: str = "{text}",
        labels: Sequence[Any] | None = None,
        scorer: cappy.Scorer | None = None,
        batch_calibration: float = 1.0,
        class_weight: Any = None,
        reject: float | None = None,
        multi_label: bool = False,
    ) -> None:
        super().__init__(choices, instruction, labels, scorer, batch_calibration, class_weight, reject, multi_label)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Classifier:  # noqa: N803
        return super().fit(_texts(X), y, sample_weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Classifier:  # noqa: N803
        return super().partial_fit(_texts(X), y, classes, sample_weight)

    def _logits(self, texts: Any) -> Any:
        return super()._logits(_texts(texts))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = InputTags()
        return tags


def _texts(rows: Any) -> list[str]:
    return [" ".join(f"{value:.1f}" for value in row) for row in np.asarray(rows)]


# Left out: what is about numbers themselves (their count a row, NaN, complex, one dimension), which texts have not.
@pytest.mark.parametrize(
    "name",
    [
        "check_class_weight_classifiers",
        "check_classifier_data_not_an_array",
        "check_classifiers_classes",
        "check_classifiers_one_label",
        "check_classifiers_regression_target",
        "check_decision_proba_consistency",
        "check_dict_unchanged",
        "check_estimators_dtypes",
        "check_estimators_fit_returns_self",
        "check_estimators_overwrite_params",
        "check_estimators_pickle",
        "check_fit_check_is_fitted",
        "check_fit_idempotent",
        "check_fit_score_takes_y",
        "check_methods_subset_invariance",
        "check_pipeline_consistency",
        "check_readonly_memmap_input",
        "check_sample_weights_list",
        "check_sample_weights_not_an_array",
        "check_sample_weights_shape",
        "check_supervised_y_no_nan",
    ],
)
def test_checks_of_estimators(name: str, scorer: cappy.Scorer) -> None:
    getattr(estimator_checks, name)("Classifier", OfNumbers(scorer=scorer))


@pytest.mark.parametrize(
    "name",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_checks_of_parameters(name: str) -> None:
    getattr(estimator_checks, name)("Classifier", Classifier())


@pytest.mark.parametrize("measure", ["accuracy", "roc_auc", "f1_macro", "neg_log_loss", "average_precision"])
def test_measures_in_cross_validation(measure: str, scorer: cappy.Scorer) -> None:
    labels = [int(label == "yes") for label in LABELS]
    found = cross_val_score(Classifier(scorer=scorer), TEXTS, labels, cv=3, scoring=measure, error_score="raise")
    assert np.isfinite(found).all()


def test_a_weight_counts_as_that_many_copies(scorer: cappy.Scorer) -> None:
    weights = [2.0 if place < 4 else 1.0 for place in range(len(TEXTS))]
    weighed = Classifier(scorer=scorer).fit(TEXTS, LABELS, sample_weight=weights)
    with pytest.raises(cappy.InputError, match="sample_weight"):
        clone(weighed).fit(TEXTS, LABELS, sample_weight=[0.0] * len(TEXTS))
    parts = Classifier(["no", "yes"], scorer=scorer).partial_fit(TEXTS[:6], LABELS[:6], sample_weight=weights[:6])
    parts.partial_fit(TEXTS[6:], LABELS[6:])
    assert parts.decision_function(TEXTS) == pytest.approx(weighed.decision_function(TEXTS), abs=1e-5)
