"""Similarity groups: which of these phrases fits this sentence, labelled by the starting encoder.

A scorer trained on tasks with few choices forgets much of what a sentence encoder knows, such as which of many short
names fits a text. These groups preserve it by distillation (Hinton et al., 2015, arXiv 1503.02531): sentences and
phrases come from training texts, labels from the cosine of the encoder's embeddings. Groups have many candidates,
including hard negatives, and some list their options in the instruction.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cappy.data.phrases import phrases, sentences
from cappy.files.progress import progress_bar
from cappy.group import Candidate, Group
from cappy.layout.tokenizer import TextTokenizer
from cappy.runtime.embedding import embed
from cappy.runtime.torch_encoder import Encoder
from cappy.text.normalization import normalise
from cappy.training.recipes import Similarity
from cappy.training.wordings import ask_for_name

log = logging.getLogger("cappy.training")

TASK = "similarity"
_NEAR = 120
"""Hard negatives are drawn from this many nearest phrases."""
STYLES: tuple[Callable[[str], str], ...] = (
    str.capitalize,
    str.title,
    lambda name: name.replace(" ", "_"),
    lambda name: name.capitalize().replace(" ", "_"),
    lambda name: name.replace(" ", "-"),
)
"""Ways to write class names, besides lower case."""


def similarity_groups(
    groups: Sequence[Group], plan: Similarity, model: Encoder, tokenizer: TextTokenizer, seed: int
) -> list[Group]:
    """Make `plan.groups` groups, or fewer if there are fewer sentences, from the texts of training `groups`."""
    drawn = sentences(groups, max(4 * plan.groups, plan.phrases), seed)
    texts, names = drawn[: plan.groups], phrases(drawn, plan.phrases, seed)
    if len(names) < plan.candidates:
        return []
    log.info("embedding %d sentences and %d phrases", len(texts), len(names))
    with progress_bar("texts", len(texts) + len(names)) as advance:
        vectors = embed(model, tokenizer, [*texts, *names], advance=advance)
    return list(labelled_groups(texts, names, vectors[: len(texts)], vectors[len(texts) :], plan, seed))


def labelled_groups(
    texts: Sequence[str],
    names: Sequence[str],
    text_vectors: NDArray[np.float32],
    name_vectors: NDArray[np.float32],
    plan: Similarity,
    seed: int,
) -> Iterator[Group]:
    """Yield a group for each text, with candidates from `names`.

    `text_vectors` [texts, width] and `name_vectors` [names, width] have length 1. A candidate's label is
    exp((cosine - best cosine of the group) / temperature), in (0, 1]: 1 for the best, near 0 for much worse ones.
    """
    near = min(_NEAR, len(names))
    draw = random.Random(f"{seed}:similarity")
    for start in range(0, len(texts), 512):
        cosines = text_vectors[start : start + 512] @ name_vectors.T
        nearest = np.argpartition(-cosines, near - 1, axis=1)[:, :near]
        for text, row, close in zip(texts[start : start + 512], cosines, nearest, strict=True):
            ranked = [int(i) for i in close[np.argsort(-row[close], kind="stable")]]
            listed = draw.random() < plan.listed
            count = min(plan.listed_candidates if listed else plan.candidates, len(names))
            chosen = _draw_names(text, names, ranked, count, draw)
            labels = np.exp((row[chosen] - row[chosen].max()) / plan.temperature)
            write = draw.choice(STYLES) if draw.random() < plan.styled else str
            candidates = tuple(
                Candidate(write(names[i]), float(label), "choice") for i, label in zip(chosen, labels, strict=True)
            )
            options: set[int] = set()
            if listed:
                pool = ranked if draw.random() < 0.5 else range(len(names))
                options = {*chosen, *draw.sample(pool, min(len(pool), draw.randint(0, plan.longest_list)))}
            instruction = ask_for_name(text, [write(names[i]) for i in sorted(options)], draw)
            yield Group(instruction, candidates, TASK, "listed" if listed else "plain")


def _draw_names(text: str, names: Sequence[str], ranked: Sequence[int], count: int, draw: random.Random) -> list[int]:
    """Draw one of the five nearest names, mostly near ones for the rest, and some from anywhere; shuffle them.

    In half of the groups no near name shares a word with the text, so that meaning decides rather than spelling.
    """
    if draw.random() < 0.5:
        words = set(normalise(text).split())
        ranked = [i for i in ranked if words.isdisjoint(names[i].split())] or ranked
    best = ranked[draw.randrange(min(5, len(ranked)))]
    hard = draw.sample(ranked, min(len(ranked), 5 * count // 8))
    far = draw.sample(range(len(names)), count)
    chosen = list(dict.fromkeys([best, *hard, *far]))[:count]
    draw.shuffle(chosen)
    return chosen
