"""Groups as token ids: encoding, and packing for the encoder."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cappy.group import Group
from cappy.layout.encode import Conventions, EncodedGroup, encode_group
from cappy.layout.limits import Limits
from cappy.layout.pack import Batch, pack
from cappy.layout.tokenizer import TextTokenizer

CHUNK = 2000
"""Groups that are tokenised together."""


@dataclass(frozen=True, slots=True)
class TrainingGroup:
    """An encoded group and its labels [candidates]; `graded` if the labels are degrees rather than right or wrong."""

    encoded: EncodedGroup
    labels: NDArray[np.float32]
    task: str
    graded: bool = False

    @property
    def shared(self) -> bool:
        """Whether the instruction is encoded once for all candidates."""
        return bool(self.encoded.prefix)


def encode_groups(
    groups: Sequence[Group],
    tokenizer: TextTokenizer,
    conventions: Conventions,
    limits: Limits,
    most: int,
    seed: int,
    short_words: int = 0,
) -> list[TrainingGroup]:
    """Tokenise labelled groups and keep `most` candidates of each: the right ones (else the best) and random others.

    Short candidates cost little, so more of them are kept, up to `short_words` words in all. Groups with a candidate
    written by a language model are marked as graded.
    """
    chosen = [_choose(group, most, seed, short_words) for group in groups]
    encoded: list[TrainingGroup] = []
    for start in range(0, len(groups), CHUNK):
        part = range(start, min(start + CHUNK, len(groups)))
        prompts = tokenizer.encode([groups[i].instruction for i in part])
        texts = sorted({groups[i].candidates[c].text for i in part for c in chosen[i]})
        ids = dict(zip(texts, tokenizer.encode(texts), strict=True))
        for i, prompt in zip(part, prompts, strict=True):
            picked = [groups[i].candidates[c] for c in chosen[i]]
            tokens = encode_group(prompt, [ids[c.text] for c in picked], conventions, limits)
            labels = np.array([c.label or 0.0 for c in picked], dtype=np.float32)
            graded = any(c.sampled for c in groups[i].candidates)
            encoded.append(TrainingGroup(tokens, labels, groups[i].task, graded))
    return encoded


def _choose(group: Group, most: int, seed: int, short_words: int) -> list[int]:
    indices = list(range(len(group.candidates)))
    if len(indices) <= most:
        return indices
    draw = random.Random(f"{seed}:{group.instruction}")
    draw.shuffle(indices)
    best = max(candidate.label or 0.0 for candidate in group.candidates)
    indices.sort(key=lambda i: not (group.candidates[i].is_right or group.candidates[i].label == best))
    words = np.cumsum([len(group.candidates[i].text.split()) for i in indices])
    kept = max(most, int(np.searchsorted(words, short_words, side="right")))
    return sorted(indices[:kept])


def pack_training(
    groups: Sequence[TrainingGroup], conventions: Conventions
) -> tuple[Batch, NDArray[np.float32], NDArray[np.int64]]:
    """Pack groups of one layout for the encoder, with flat labels and group numbers [candidates].

    The layout is that of the groups; the one in `conventions` is ignored.
    """
    conventions = replace(conventions, layout="shared" if groups[0].shared else "joint")
    batch = pack([group.encoded for group in groups], conventions)
    labels = np.concatenate([group.labels for group in groups])
    return batch, labels, np.repeat(np.arange(len(groups)), batch.per_prefix)


def single_pairs(groups: Sequence[TrainingGroup]) -> list[TrainingGroup]:
    """Split joint groups into one group per candidate, as in the training of the published Cappy."""
    return [
        replace(group, encoded=group.encoded.take(place, place + 1), labels=group.labels[place : place + 1])
        for group in groups
        for place in range(len(group.labels))
    ]
