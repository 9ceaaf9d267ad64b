"""What a trained classifier gets right, by text and by class, as figures and as one HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.files.html import render

HARDEST = 20
"""Number of errors shown, those first whose right label got the lowest probability."""
CONFUSED = 15
POINTS = 60
"""Points of the curve of precision against coverage."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Texts, which classes are right, and held-out probabilities of every class.

    `truth` and `probabilities` are [texts, classes]. If `several`, a text may have any number of labels.
    """

    texts: Sequence[str]
    truth: NDArray[np.bool_]
    classes: Sequence[str]
    probabilities: NDArray[np.float64]
    several: bool = False

    @property
    def told(self) -> NDArray[np.bool_]:
        """Which classes are predicted [texts, classes]: the most likely one, or with several labels all above 0.5."""
        if self.several:
            return np.asarray(self.probabilities > 0.5)
        return np.asarray(np.eye(len(self.classes), dtype=bool)[self.probabilities.argmax(axis=1)])

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which texts are predicted right, with all their labels [texts]."""
        return np.asarray((self.told == self.truth).all(axis=1))

    def names(self, chosen: NDArray[np.bool_]) -> list[str]:
        """Return the labels of every row of `chosen` [texts, classes] as one string."""
        return [
            ", ".join(name for name, is_so in zip(self.classes, row, strict=True) if is_so) or "none" for row in chosen
        ]

    def counts(self) -> Counter[tuple[str, str]]:
        """Count (right label, predicted label)."""
        return Counter(zip(self.names(self.truth), self.names(self.told), strict=True))

    def confused(self) -> list[tuple[str, str, int]]:
        """Return (right label, predicted label, count) of errors, most frequent first."""
        return [(right, told, count) for (right, told), count in self.counts().most_common() if right != told]

    def by_class(self) -> list[dict[str, Any]]:
        """Return each class's examples, recall and precision in [0, 1]; None if undefined."""
        told, both = self.told.sum(axis=0), (self.told & self.truth).sum(axis=0)
        counts = self.truth.sum(axis=0)
        return [
            {
                "label": label,
                "texts": int(count),
                "recall": float(found / count) if count else None,
                "precision": float(found / said) if said else None,
            }
            for label, count, said, found in zip(self.classes, counts, told, both, strict=True)
        ]

    def coverage(self) -> list[tuple[float, float]]:
        """Return (share of texts answered, accuracy on them), from the most confident text to all."""
        chances = self.probabilities
        sure = np.maximum(chances, 1 - chances).min(axis=1) if self.several else chances.max(axis=1)
        order = np.argsort(-sure, kind="stable")
        precision = np.cumsum(self.right[order]) / np.arange(1, len(order) + 1)
        places = np.unique(np.linspace(0, len(order) - 1, min(POINTS, len(order))).astype(int))
        return [((place + 1) / len(order), float(precision[place])) for place in places]

    def hardest(self) -> list[tuple[str, str, str, float]]:
        """Return (text, right labels, predicted labels, probability of the truth) of errors, hardest first.

        With several labels it is the probability of the worst decision.
        """
        each = np.where(self.truth, self.probabilities, 1 - self.probabilities)
        chances = each.min(axis=1) if self.several else np.where(self.truth, self.probabilities, 0).sum(axis=1)
        told, wanted, right = self.names(self.told), self.names(self.truth), self.right
        wrong = [number for number in np.argsort(chances, kind="stable") if not right[number]]
        return [(self.texts[n], wanted[n], told[n], float(chances[n])) for n in wrong[:HARDEST]]


def page(judgement: Judgement, title: str, about: str, facts: Mapping[str, Any]) -> str:
    """Render one self-contained HTML page; `about` says how the texts were judged.

    Raises:
        MissingExtraError: jinja2 is not installed.

    """
    curve = [(60 + 620 * share, 210 - 200 * precision) for share, precision in judgement.coverage()]
    values = {
        "title": title,
        "about": about,
        "several": judgement.several,
        "facts": facts,
        "classes": judgement.by_class(),
        "confused": judgement.confused()[:CONFUSED],
        "hardest": judgement.hardest(),
        "curve": " ".join(f"{x:.1f},{y:.1f}" for x, y in curve),
    }
    return render("cappy.classification", values)
