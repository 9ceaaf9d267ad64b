"""Continuation groups: which sentence comes next in this passage? Made from training texts.

They train the choice of an ending, as in StoryCloze, HellaSwag and COPA. The task is next-sentence prediction (Devlin
et al., 2019, section 3.1) with some hard negatives: other sentences of the same passage.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from cappy.group import Candidate, Group
from cappy.text.normalization import normalise
from cappy.training.passages import MOST_OF_ONE, Passage
from cappy.training.recipes import Continuations

TASK = "continuations"

_ASKED = (
    "{text}",
    "{text}\n\nWhat comes next?",
    "How does this go on?\n\n{text}",
    "{text} ...\n\nChoose the sentence that continues the text.",
    "Complete the following: {text}",
    "What happens then? {text}",
    "Text: {text}\nNext sentence:",
)


def continuation_groups(texts: Sequence[Passage], plan: Continuations, seed: int) -> Iterator[Group]:
    """Yield up to `plan.groups` groups: the next sentence, with negatives from the same and other passages.

    A group has two to `plan.candidates` candidates, none of which appears in the instruction.
    """
    draw = random.Random(f"{seed}:continuations")
    if len(texts) < 2:
        return
    for number in range(min(plan.groups, MOST_OF_ONE * len(texts))):
        passage = texts[number % len(texts)]
        cut = draw.randrange(1, len(passage))
        shown = passage[max(0, cut - draw.randint(1, 4)) : cut]
        later = list(passage[cut + 1 :])
        elsewhere = [draw.choice(draw.choice(texts)) for _ in range(plan.candidates)]
        mine = draw.sample(later, min(len(later), draw.randint(0, plan.candidates // 2)))
        wrong = [*mine, *elsewhere][: draw.randint(1, plan.candidates - 1)]
        seen = {normalise(one) for one in (*shown, passage[cut])}
        kept = {normalise(text): text for text in wrong if normalise(text) not in seen}
        if not kept:
            continue
        candidates = [Candidate(passage[cut], 1.0, "reference")]
        candidates += [Candidate(text, 0.0, "other") for text in kept.values()]
        draw.shuffle(candidates)
        asked = draw.choice(_ASKED).format_map({"text": " ".join(shown)})
        yield Group(asked, tuple(candidates), TASK, "next")
