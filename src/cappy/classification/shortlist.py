"""Many choices: only those whose names are nearest to the text are scored, and the cosine is added to the score.

The cost of scoring grows with the number of choices. The cosine of a text and a choice's name costs next to nothing and
rules out distant topics. With few choices, which are rather answers (yes, positive) than topics, it says nothing.
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
"""The shortlist is used above this number of choices."""
SHORTLIST = 16
"""Maximum number of choices scored per text."""


def shortlisted(
    scorer: Scorer, embedded: NDArray[np.float32], instructions: Sequence[str], choices: Sequence[str]
) -> Floats:
    """Score many choices for every text: [texts, choices], in units of scores; `embedded` are the texts' embeddings.

    Choices off a text's shortlist come after those on it, ordered by cosine. The weight of the cosine is in the
    checkpoint.
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
