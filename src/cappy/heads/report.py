"""What a learnt classifier gets right, text by text and class by class, as figures and as one HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.errors import MissingExtraError

HARDEST = 20
"""Wrong texts that are shown, those first whose right label was thought least likely."""
CONFUSED = 15
POINTS = 60
"""Points of the curve of precision against coverage."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Texts with their right labels, and the probability of every class [texts, classes] by what did not see them."""

    texts: Sequence[str]
    labels: Sequence[str]
    classes: Sequence[str]
    probabilities: NDArray[np.float64]

    @property
    def told(self) -> list[str]:
        """The likeliest label of each text."""
        return [self.classes[place] for place in self.probabilities.argmax(axis=1)]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which texts are told right [texts]."""
        return np.array([one == other for one, other in zip(self.told, self.labels, strict=True)])

    def counts(self) -> Counter[tuple[str, str]]:
        """Count (right label, label told)."""
        return Counter(zip(self.labels, self.told, strict=True))

    def confused(self) -> list[tuple[str, str, int]]:
        """Return (right label, label told instead, how often), the most frequent first."""
        return [(right, told, count) for (right, told), count in self.counts().most_common() if right != told]

    def by_class(self) -> list[dict[str, Any]]:
        """Return each class's examples, and its recall and precision in [0, 1]; None where it is never told."""
        pairs, told, counts = self.counts(), Counter(self.told), Counter(self.labels)
        return [
            {
                "label": label,
                "texts": counts[label],
                "recall": pairs[label, label] / counts[label] if counts[label] else None,
                "precision": pairs[label, label] / told[label] if told[label] else None,
            }
            for label in self.classes
        ]

    def coverage(self) -> list[tuple[float, float]]:
        """Return (share of texts answered, share of those right), from the surest text to all of them."""
        order = np.argsort(-self.probabilities.max(axis=1), kind="stable")
        precision = np.cumsum(self.right[order]) / np.arange(1, len(order) + 1)
        places = np.unique(np.linspace(0, len(order) - 1, min(POINTS, len(order))).astype(int))
        return [((place + 1) / len(order), float(precision[place])) for place in places]

    def hardest(self) -> list[tuple[str, str, str, float]]:
        """Return (text, right label, label told, probability of the right one) of wrong texts, the hardest first."""
        place = {label: number for number, label in enumerate(self.classes)}
        chances = np.array([row[place[label]] for row, label in zip(self.probabilities, self.labels, strict=True)])
        told, right = self.told, self.right
        wrong = [number for number in np.argsort(chances, kind="stable") if not right[number]]
        return [(self.texts[n], self.labels[n], told[n], float(chances[n])) for n in wrong[:HARDEST]]


def page(judgement: Judgement, title: str, facts: Mapping[str, Any]) -> str:
    """Render one HTML page that needs nothing beside it.

    Raises:
        MissingExtraError: jinja2 is not installed.

    """
    try:
        from jinja2 import Environment
    except ImportError as error:
        raise MissingExtraError("the report", "data") from error
    template = files("cappy.heads").joinpath("page.html.j2").read_text(encoding="utf-8")
    curve = [(60 + 620 * share, 210 - 200 * precision) for share, precision in judgement.coverage()]
    rendered: str = (
        Environment(autoescape=True)
        .from_string(template)
        .render(
            title=title,
            facts=facts,
            classes=judgement.by_class(),
            confused=judgement.confused()[:CONFUSED],
            hardest=judgement.hardest(),
            curve=" ".join(f"{x:.1f},{y:.1f}" for x, y in curve),
        )
    )
    return rendered
