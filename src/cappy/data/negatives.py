"""From examples to groups: right answers, other choices, and negatives drawn from other rows.

Tan et al. (2023, section 3.1) label right answers 1 and wrong ones 0; a wrong answer is another choice or another row's
answer. A row never gets a negative that equals one of its references under `normalise`.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from cappy.checkpoint.find import MINILM
from cappy.data.distractors import with_suggested
from cappy.data.nearest import Closest, EmbeddingCosine, WordOverlap, find_embedder
from cappy.errors import InputError
from cappy.group import Candidate, Example, Group
from cappy.text.normalization import normalise

HARD_BY = ("words", "embedding")
"""Ways to find hard negatives."""


@dataclass(frozen=True, slots=True)
class WrongAnswers:
    """How many negatives an example without choices gets, and from where.

    `hard`: the answers nearest to a reference; `near`: from neighbouring rows, which often share a passage; `far`: from
    anywhere, of similar length. Far ones fill up if there are too few of the others. `hard_by` decides what is nearest:
    the most shared words, weighted by rarity, or the largest cosine under the sentence encoder `encoder` (a folder or a
    name).

    `suggested` is the share of groups that also get distractors made from their own instruction and right answer
    (`cappy.data.distractors`).

    Raises:
        InputError: a count is not a whole number from 0, `hard_by` is unknown, or `suggested` is outside [0, 1].

    """

    near: int = 2
    far: int = 3
    hard: int = 0
    hard_by: str = HARD_BY[0]
    encoder: str = MINILM
    suggested: float | int = 0.0

    def __post_init__(self) -> None:
        for name in ("near", "far", "hard"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise InputError(f"{name} must be a whole number from 0, not {value!r}.")
        if self.hard_by not in HARD_BY:
            raise InputError(f"hard_by must be one of {', '.join(HARD_BY)}, not {self.hard_by!r}.")
        if not isinstance(self.encoder, str):
            raise InputError(f"encoder must be a folder or a name, not {self.encoder!r}.")
        if not isinstance(self.suggested, (int, float)) or not 0 <= self.suggested <= 1:
            raise InputError(f"suggested must be a share from 0 to 1, not {self.suggested!r}.")

    @property
    def count(self) -> int:
        """Total number of negatives."""
        return self.near + self.far + self.hard


def make_groups(examples: Sequence[Example], wrong: WrongAnswers, seed: int | str) -> Iterator[tuple[int, Group]]:
    """Make a group, with its example's index, from every example that has a right and a wrong answer.

    Negatives come from the same task and template. The same examples and seed give the same groups.
    """
    pools: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for example in examples:
        pools[example.task, example.template].append(example)
    lenders = {key: Lender(pool, wrong, f"{seed}:{':'.join(key)}") for key, pool in pools.items()}
    places: Counter[tuple[str, str]] = Counter()
    for number, example in enumerate(examples):
        key = example.task, example.template
        place = places[key]
        places[key] += 1
        # A template's choices need not contain the answer; then the example is open and gets negatives from others.
        group = (choice_group(example) if example.choices else None) or lenders[key].group(place)
        if group:
            yield number, with_suggested([group], wrong.suggested, seed)[0]


def choice_group(example: Example) -> Group | None:
    """Make a group of the example's choices, with the references labelled 1.

    None if no choice is right, none is wrong, or two choices differ only in punctuation ("5" and "-5").
    """
    truths = {normalise(reference) for reference in example.references}
    choices = dict.fromkeys(example.choices or ())
    distinct = {normalise(choice): choice for choice in choices}
    if len(distinct) < max(2, len(choices)) or not truths & distinct.keys() or not distinct.keys() - truths:
        return None
    candidates = tuple(
        Candidate(text, 1.0, "reference") if key in truths else Candidate(text, 0.0, "choice")
        for key, text in distinct.items()
    )
    return Group(example.instruction, candidates, example.task, example.template)


class Lender:
    """Draws negatives for the examples of one task and template from each other's answers."""

    def __init__(self, pool: Sequence[Example], wrong: WrongAnswers, seed: str) -> None:
        """Index the pool's answers: the first reference of each example."""
        self._pool, self._wrong, self._seed = pool, wrong, seed
        self._answers = [example.references[0] for example in pool]
        self._keys = [{normalise(reference) for reference in example.references} for example in pool]
        self._by_instruction: dict[str, set[str]] = defaultdict(set)
        for example, keys in zip(pool, self._keys, strict=True):
            self._by_instruction[example.instruction] |= keys

    @cached_property
    def _closest(self) -> Closest:
        """The index of the pool's answers, made on first use, because most pools have choices."""
        if self._wrong.hard_by == "words":
            return WordOverlap(self._answers)
        references = (reference for example in self._pool for reference in example.references)
        return EmbeddingCosine(self._answers, references, find_embedder(self._wrong.encoder))

    def group(self, place: int) -> Group | None:
        """Make the group of the example at `place`; None if there are no negatives for it."""
        example = self._pool[place]
        answers = [Candidate(text, 0.0, "other") for text in self._wrong_answers(place)]
        right = [Candidate(text, 1.0, "reference") for text in example.references]
        candidates = merge([*right, *answers])
        if not answers or not any(candidate.label for candidate in candidates):
            return None
        return Group(example.instruction, candidates, example.task, example.template)

    def _wrong_answers(self, place: int) -> list[str]:
        draw = random.Random(f"{self._seed}:{place}")
        taken = set(self._by_instruction[self._pool[place].instruction])  # several rows may ask the same question
        chosen: list[str] = []
        for order, wanted in self._orders(place, draw):
            for index in order:
                key = normalise(self._answers[index])
                if len(chosen) == wanted:
                    break
                if key and key not in taken:
                    taken.add(key)
                    chosen.append(self._answers[index])
        return chosen

    def _orders(self, place: int, draw: random.Random) -> Iterator[tuple[Sequence[int], int]]:
        """Yield, for each kind of negative, where to look, best first, and the total number wanted so far."""
        total, wrong = len(self._pool), self._wrong
        if wrong.hard:
            references = self._pool[place].references
            yield self._closest.closest(references, 4 * wrong.hard + len(references) + 1), wrong.hard
        near = [i for i in range(max(0, place - 6), min(total, place + 7)) if i != place]
        yield draw.sample(near, len(near)), wrong.hard + wrong.near
        far = draw.sample(range(total), min(total, 4 * wrong.count))
        length = len(self._answers[place])
        yield sorted(far, key=lambda i: abs(len(self._answers[i]) - length)), wrong.count


def merge(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Merge candidates equal under `normalise`: the text of the first, label and origin of the highest label."""
    kept: dict[str, Candidate] = {}
    for candidate in candidates:
        key = normalise(candidate.text)
        first = kept.get(key)
        if first is None:
            kept[key] = candidate
        elif (candidate.label or 0.0) > (first.label or 0.0):
            kept[key] = Candidate(first.text, candidate.label, candidate.origin)
    return tuple(kept.values())
