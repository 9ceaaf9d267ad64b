"""Many choices: the scorer reads those whose names are nearest to the text, and the nearness counts beside the score.

Scoring costs as much as there are choices, and a scorer that knows no better finds many topics alike. The cosine of the
text and a choice's name costs next to nothing and knows which topics are far off. Few choices are rather answers to a
question (yes, positive) than topics, and their nearness says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cappy.scorer import Scorer

Floats = NDArray[np.float64]

MANY = 6
"""Choices above which nearness counts."""
SHORTLIST = 16
"""Choices that the scorer reads of a text at most."""


def shortlisted(
    scorer: Scorer, embedded: NDArray[np.float32], instructions: Sequence[str], choices: Sequence[str]
) -> Floats:
    """Score many choices for every text: [texts, choices], in units of scores; `embedded` are the texts' embeddings.

    Choices that are not on a text's shortlist stand behind those that are, by their nearness. What nearness counts is
    noted in the checkpoint.
    """
    nearness = (embedded @ scorer.embed(choices).T).astype(np.float64)
    places = np.argsort(-nearness, axis=1, kind="stable")[:, :SHORTLIST]
    groups = (
        (instruction, [choices[place] for place in of_text])
        for instruction, of_text in zip(instructions, places, strict=True)
    )
    read = np.array([scored.scores for scored in scorer.for_choices(choices).score_groups(groups)], dtype=np.float64)
    read = read.reshape(places.shape)
    scores = np.tile(read.min(axis=1, initial=np.inf)[:, None], (1, len(choices)))
    np.put_along_axis(scores, places, read, axis=1)
    return scores + scorer.checkpoint.nearness * scorer.temperature * nearness
