"""A classifier from labelled texts whose scorer is trained too, if held-out texts show that this helps."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cappy.adaptation.examples import HELD_OUT, adapt
from cappy.checkpoint.sidecar import CLASSIFIER
from cappy.classification.choices import fill
from cappy.classification.targets import Truth, one_label, truth_of_one
from cappy.classifier import Classifier
from cappy.errors import InputError
from cappy.group import Example
from cappy.scorer import Scorer, load

if TYPE_CHECKING:
    from cappy.training.finetune import Tuning


Floats = NDArray[np.float64]
TRAINED, HEAD = "trained", "head"
FEWEST = 50
"""Minimum number of distinct texts: a fifth of them must show whether training helps."""
SURE = 2.0
"""Standard errors that training must gain to be kept, because its epoch and its head were chosen on the same texts."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both methods on the same held-out texts.

    `head` and `trained` are accuracies, in [0, 1]. `gain` is the gain in log-likelihood of the right labels by training
    the scorer, in nats per text, and `error` its standard error.
    """

    held_out: int
    head: float
    trained: float
    gain: float
    error: float

    @classmethod
    def of(cls, by_head: Floats, by_training: Floats, truth: Truth) -> Comparison:
        """Compare probabilities [texts, classes] of held-out texts; `truth` [texts, classes] says which are right."""
        likelihoods = [np.log(np.maximum((chances * truth).sum(axis=1), 1e-12)) for chances in (by_head, by_training)]
        gains = likelihoods[1] - likelihoods[0]
        head, trained = (
            float(truth[np.arange(len(truth)), chances.argmax(axis=1)].mean()) for chances in (by_head, by_training)
        )
        return cls(len(truth), head, trained, float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains))))

    @property
    def chosen(self) -> str:
        """The method to use: "trained" if the gain exceeds `SURE` standard errors, else "head"."""
        return TRAINED if self.gain > SURE * self.error else HEAD

    def __str__(self) -> str:
        """Summarise in one line."""
        taken = (
            "a head on the scorer trained on these texts" if self.chosen == TRAINED else "a head alone, on all texts"
        )
        return (
            f"on {self.held_out} texts held out: {100 * self.head:.1f}% right by a head alone, "
            f"{100 * self.trained:.1f}% with the scorer trained as well (log-likelihood {self.gain:+.3f}, standard "
            f"error {self.error:.3f}, a text); taken: {taken}"
        )


@dataclass(frozen=True, slots=True)
class Finetuned:
    """The classifier, the comparison, and the indices of the texts that its `left_out_proba_` covers."""

    classifier: Classifier
    compared: Comparison
    judged: tuple[int, ...]


def finetune_classifier(
    classifier: Classifier,
    texts: Sequence[str],
    labels: Sequence[Any],
    folder: Path | str,
    *,
    tuning: Tuning | None = None,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Finetuned:
    """Learn from labelled texts with a head, and by training the scorer; keep the trained scorer if it surely helps.

    A fifth of each label's texts is held out. A head is fitted on the rest, and the scorer is trained on the rest until
    the loss on the held-out texts stops improving. The head of the trained scorer is fitted on the held-out texts,
    because it has memorised the others, and judged on them by cross-validation. If it makes the held-out labels more
    likely, by `SURE` standard errors, it is the result; otherwise a head on all texts is.

    Args:
        classifier: gives the instruction; by default choices are the labels and the scorer is the bundled one. It is
            not changed.
        texts: the texts.
        labels: one label per text.
        folder: where the classifier is written, as `Classifier.save` does.
        tuning: learning rate, epochs and so on.
        seed: decides the split and the order.
        advance: called after every epoch.

    Raises:
        InputError: the classifier is for several labels a text or abstains, there are fewer than `FEWEST` different
            texts or a label has one alone, or `folder` holds something else.
        MissingExtraError: torch is not installed.

    """
    if classifier.multi_label:
        raise InputError("training the scorer supports one label per text only.")
    if classifier.reject is not None:
        raise InputError("training the scorer does not support reject; leave one of them out.")
    CLASSIFIER.check_place(Path(folder))
    texts, labels = list(texts), one_label(labels)
    held = held_out(texts, labels, seed)
    options = {**classifier.get_params(), "scorer": classifier.scorer or load()}
    alone = Classifier(**options).fit(texts, labels)
    options |= alone.named_classes()
    with tempfile.TemporaryDirectory() as beside:
        examples, target = _examples(alone, texts, labels), Path(beside) / Path(folder).name
        scorer: Scorer = options["scorer"]
        trained = adapt(scorer, examples, target, tuning=tuning, seed=seed, held_out=held, advance=advance)
        deep = Classifier(**{**options, "scorer": trained.scorer}).fit(_at(texts, held), _at(labels, held))
        truth = truth_of_one(_at(labels, held), alone.classes_)
        compared = Comparison.of(alone.proba_without(held), deep.left_out_proba_, truth)
        taken = deep if compared.chosen == TRAINED else alone
        taken.save(folder)
    taken.scorer = scorer.like(Path(folder))
    return Finetuned(taken, compared, tuple(held) if taken is deep else tuple(range(len(texts))))


def held_out(texts: Sequence[str], labels: Sequence[Any], seed: int) -> list[int]:
    """Return the indices of a fifth of each label's distinct texts, at least one; equal texts stay together.

    Raises:
        InputError: there are too few distinct texts, in total or of one label.

    """
    by_label: dict[Any, list[str]] = {}
    for text, label in dict(zip(texts, labels, strict=True)).items():
        by_label.setdefault(label, []).append(text)
    alone = [label for label in dict.fromkeys(labels) if len(by_label.get(label, [])) < 2]
    count = sum(map(len, by_label.values()))
    if count < FEWEST:
        raise InputError(f"training the scorer needs {FEWEST} distinct texts or more, but there are {count}.")
    if alone:
        raise InputError(f"training the scorer needs two distinct texts of every label; {alone[0]!r} has fewer.")
    draw = random.Random(f"{seed}:labels")
    kept = {
        text for members in by_label.values() for text in draw.sample(members, max(1, round(HELD_OUT * len(members))))
    }
    return [place for place, text in enumerate(texts) if text in kept]


def _examples(classifier: Classifier, texts: Sequence[str], labels: Sequence[Any]) -> list[Example]:
    named = classifier.named_classes()
    choices, read = tuple(named["choices"]), dict(zip(named["labels"], named["choices"], strict=True))
    return [
        Example(fill(classifier.instruction, choices, text), (read[label],), choices)
        for text, label in zip(texts, labels, strict=True)
    ]


def _at(values: Sequence[Any], places: Sequence[int]) -> list[Any]:
    return [values[place] for place in places]
