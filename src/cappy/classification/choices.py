"""Scoring a closed set of choices: one instruction per text, every choice a response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cappy.classification.shortlist import MANY, shortlisted
from cappy.errors import InputError
from cappy.layout.limits import truncate

if TYPE_CHECKING:
    from cappy.scorer import Scorer


def fill(template: str, choices: Sequence[str], text: str) -> str:
    """Put the choices and then the text into an instruction template."""
    # Plain replacement, not str.format: texts and templates may contain braces.
    return template.replace("{choices}", ", ".join(choices)).replace("{text}", text)


def read_texts(
    scorer: Scorer, template: str, choices: Sequence[str], texts: Sequence[str], nearness: bool = True
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return features [texts, features] and scores [texts, choices], from one pass over the texts alone.

    Raises:
        InputError: a text is not a string, or the scorer cannot tell two choices apart.

    """
    states = scorer.states(texts)
    return scorer.checkpoint.features(states), score_choices(scorer, template, choices, texts, nearness, states)


def score_choices(
    scorer: Scorer,
    template: str,
    choices: Sequence[str],
    texts: Sequence[str],
    nearness: bool = True,
    states: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Score every choice for every text: [texts, choices].

    With `nearness` and many choices, only the nearest are scored and their cosine is added
    (`cappy.classification.shortlist`). Otherwise all are scored, and the values are plain scores. `states` are the
    texts' hidden states, if known.

    Raises:
        InputError: a text is not a string, or the scorer cannot tell two choices apart.

    """
    check_distinct(choices, scorer)
    given = [_text(number, text) for number, text in enumerate(texts)]
    instructions = [fill(template, choices, text) for text in given]
    if nearness and len(choices) > MANY and scorer.checkpoint.nearness:
        embedded = scorer.checkpoint.embedded(scorer.states(given) if states is None else states)
        return shortlisted(scorer, embedded, instructions, choices)
    groups = [(instruction, choices) for instruction in instructions]
    scores = [scored.scores for scored in scorer.for_choices(choices).score_groups(groups)]
    return np.array(scores, dtype=np.float64).reshape(len(scores), len(choices))


def check_distinct(choices: Sequence[str], scorer: Scorer) -> None:
    """Refuse choices with the same tokens, which would silently share their probability.

    Raises:
        InputError: there are two.

    """
    read: dict[tuple[int, ...], str] = {}
    for choice, ids in zip(
        choices, scorer.checkpoint.tokenizer.encode(list(choices), scorer.limits.max_tokens), strict=True
    ):
        kept = truncate(ids, scorer.limits.max_tokens - 2, "middle")[0]
        if kept in read:
            raise InputError(
                f"the scorer reads the choices {read[kept]!r} and {choice!r} alike; give one of them other words."
            )
        read[kept] = choice


def _text(number: int, text: Any) -> str:
    if not isinstance(text, str):
        raise InputError(f"text {number} must be text, not {type(text).__name__}.")
    return text
