"""From examples to groups: the right answers, the other choices, and wrong answers lent by other rows.

Tan et al. (2023, section 3.1) label right answers 1 and wrong ones 0; a wrong answer is another choice or
another row's answer. Here an answer is never lent to a row that has it among its references under `normalise`.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cappy.data.examples import Example
from cappy.data.text import normalise
from cappy.group import Candidate, Group


@dataclass(frozen=True, slots=True)
class WrongAnswers:
    """How many wrong answers an example without choices is lent, and from where.

    `hard`: the answers with the most words in common with a reference, rare words counting more; `near`: from
    rows nearby, which often share a passage; `far`: from anywhere, those of a similar length. Far ones stand in
    where there are too few of the others.
    """

    near: int = 2
    far: int = 3
    hard: int = 0

    @property
    def count(self) -> int:
        """Wrong answers in all."""
        return self.near + self.far + self.hard


def make_groups(examples: Sequence[Example], wrong: WrongAnswers, seed: int | str) -> Iterator[tuple[int, Group]]:
    """Make a group, with its example's number, of every example that has a right and a wrong answer.

    Wrong answers are lent within a task and template. The same examples and seed give the same groups.
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
        # A template's choices need not hold the answer: then it is open, and others lend it wrong ones.
        group = (choice_group(example) if example.choices else None) or lenders[key].group(place)
        if group:
            yield number, group


def choice_group(example: Example) -> Group | None:
    """Make a group of the example's choices, the references among them labelled 1.

    None where no choice is right, none is wrong, or two choices differ by punctuation alone ("5" and "-5").
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
    """Lends the examples of one task and template the answers of others."""

    def __init__(self, pool: Sequence[Example], wrong: WrongAnswers, seed: str) -> None:
        """Index the pool's answers: the first reference of each example."""
        self._pool, self._wrong, self._seed = pool, wrong, seed
        self._answers = [example.references[0] for example in pool]
        self._keys = [{normalise(reference) for reference in example.references} for example in pool]
        self._by_instruction: dict[str, set[str]] = defaultdict(set)
        for example, keys in zip(pool, self._keys, strict=True):
            self._by_instruction[example.instruction] |= keys
        self._overlap = WordOverlap(self._answers) if wrong.hard else None

    def group(self, place: int) -> Group | None:
        """Make the group of the example at `place`; None where nothing wrong can be lent to it."""
        example = self._pool[place]
        answers = [Candidate(text, 0.0, "other") for text in self._wrong_answers(place)]
        right = [Candidate(text, 1.0, "reference") for text in example.references]
        candidates = merge([*right, *answers])
        if not answers or not any(candidate.label for candidate in candidates):
            return None
        return Group(example.instruction, candidates, example.task, example.template)

    def _wrong_answers(self, place: int) -> list[str]:
        draw = random.Random(f"{self._seed}:{place}")
        taken = set(self._by_instruction[self._pool[place].instruction])  # the same question may have several rows
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
        """Yield where to look for each kind of wrong answer, best first, and how many there shall be in all by then."""
        total, wrong = len(self._pool), self._wrong
        if self._overlap:
            references = self._pool[place].references
            yield self._overlap.closest(references, 4 * wrong.hard + len(references) + 1), wrong.hard
        near = [i for i in range(max(0, place - 6), min(total, place + 7)) if i != place]
        yield draw.sample(near, len(near)), wrong.hard + wrong.near
        far = draw.sample(range(total), min(total, 4 * wrong.count))
        length = len(self._answers[place])
        yield sorted(far, key=lambda i: abs(len(self._answers[i]) - length)), wrong.count


class WordOverlap:
    """Finds the texts that share the most words with others, each word weighing its inverse document frequency."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Index the words of `texts`."""
        self._holders: dict[str, list[int]] = defaultdict(list)
        for index, text in enumerate(texts):
            for word in set(normalise(text).split()):
                self._holders[word].append(index)
        self._weight = {word: math.log(1 + len(texts) / len(found)) for word, found in self._holders.items()}
        self._norm = [0.0] * len(texts)
        for word, found in self._holders.items():
            for index in found:
                self._norm[index] += self._weight[word] ** 2

    def closest(self, references: Iterable[str], count: int) -> list[int]:
        """Return up to `count` texts by their largest cosine with a reference, the closest first, ties in order."""
        best: dict[int, float] = {}
        for reference in references:
            products: dict[int, float] = defaultdict(float)
            for word in set(normalise(reference).split()):
                # A word that most texts hold tells them apart no better than chance, and costs the most.
                if len(self._holders.get(word, ())) <= max(50, len(self._norm) // 4):
                    for index in self._holders.get(word, ()):
                        products[index] += self._weight[word] ** 2
            for index, product in products.items():
                cosine = product / math.sqrt(self._norm[index])
                best[index] = max(best.get(index, 0.0), cosine)
        return sorted(best, key=lambda index: (-best[index], index))[:count]


def merge(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Merge candidates equal under `normalise`: the text is the first one's, label and origin the highest label's."""
    kept: dict[str, Candidate] = {}
    for candidate in candidates:
        key = normalise(candidate.text)
        first = kept.get(key)
        if first is None:
            kept[key] = candidate
        elif (candidate.label or 0.0) > (first.label or 0.0):
            kept[key] = Candidate(first.text, candidate.label, candidate.origin)
    return tuple(kept.values())
