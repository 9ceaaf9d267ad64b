"""Systems that value the answers to an instruction: Cappy, and what a user has without a scorer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cappy.calibration.combined import Selection
from cappy.data.answers import JudgedAnswers
from cappy.data.nearest import Embedder
from cappy.llm.model import Sample
from cappy.selection.selectors import SELECTORS, Pool

if TYPE_CHECKING:
    from cappy.scorer import Scorer

Floats = NDArray[np.float64]
Values = list[Floats]
"""A system's values for all rows: [rows][answers]."""

PLAIN = ("first", "longest", "shortest", "mbr")
"""Selectors that need only the answers. `random` is not among them: its expectation is computed instead of drawn."""
SCORED = ("cappy", "cappy+agreement", "combined", "combined-open", "combined-short")
MEDOID, LIKELIHOOD = "embedding-medoid", "self-mean"


def pools(rows: Sequence[JudgedAnswers], scores: Sequence[Sequence[float]], selection: Selection | None) -> list[Pool]:
    """Return each row's answers as a pool of samples, with Cappy's scores [rows][answers]."""
    return [
        Pool(row.instruction, tuple(Sample(text) for text in row.answers), tuple(map(float, of_row)), selection)
        for row, of_row in zip(rows, scores, strict=True)
    ]


def system_values(
    rows: Sequence[JudgedAnswers], scorer: Scorer, embed: Embedder | None = None, progress: bool = False
) -> Mapping[str, Values]:
    """Value all answers by all systems: `random`, `PLAIN`, `SCORED`, and `MEDOID` and `LIKELIHOOD` if possible."""
    scored = scorer.score_groups(((row.instruction, row.answers) for row in rows), progress)
    made = pools(rows, [one.scores for one in scored], scorer.selection)
    found: dict[str, Values] = {"random": [np.zeros(len(row.answers)) for row in rows]}
    found |= {name: [np.asarray(SELECTORS[name](pool)) for pool in made] for name in PLAIN}
    if embed:
        found[MEDOID] = list(_medoids(rows, embed))
    if all(row.log_likelihoods for row in rows):
        found[LIKELIHOOD] = [np.array(row.log_likelihoods) for row in rows]
    return found | {name: [np.asarray(SELECTORS[name](pool)) for pool in made] for name in SCORED}


def _medoids(rows: Sequence[JudgedAnswers], embed: Embedder) -> Iterator[Floats]:
    """Yield each answer's mean cosine with the other answers: [answers] per row."""
    vectors = embed([text for row in rows for text in row.answers])
    start = 0
    for row in rows:
        own = vectors[start : start + len(row.answers)].astype(np.float64)
        start += len(own)
        yield ((own @ own.T).sum(axis=1) - 1) / max(1, len(own) - 1)
