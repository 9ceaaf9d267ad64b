"""Response-only negatives: answers of one group as negatives of another.

A response that is right for one instruction is then wrong for another, so that it cannot be scored without reading the
instruction.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from cappy.group import Candidate, Group
from cappy.text.normalization import normalise
from cappy.training.mixture import has_lent_answers

LENT = 2
"""Negatives added to a group: a right and a wrong answer of the other group."""


def with_response_only_negatives(groups: Sequence[Group], share: float, seed: int) -> list[Group]:
    """Add two answers of another group of the same task and template, labelled 0, to a `share` of the groups, [0, 1].

    A group is left alone if its negatives already come from other rows, or if the other group has no right answer that
    it lacks. The latter holds for closed label sets, whose answers are right in one group and wrong in the next anyway.
    The share actually changed is therefore smaller. The order stays, and the result is determined by the seed.
    """
    if not share:
        return list(groups)
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        places[group.task, group.template].append(index)
    draw = random.Random(f"{seed}:foreign")
    lent = list(groups)
    for members in places.values():
        for place, index in enumerate(members):
            if len(members) > 1 and draw.random() < share and not has_lent_answers(groups[index]):
                other = members[(place + draw.randrange(1, len(members))) % len(members)]
                lent[index] = _lend(groups[index], groups[other], draw)
    return lent


def _lend(group: Group, other: Group, draw: random.Random) -> Group:
    taken = {normalise(candidate.text) for candidate in group.candidates}
    free = [one for one in other.candidates if normalise(one.text) not in taken]
    right = [one for one in free if one.is_right]
    wrong = [one for one in free if one.label == 0]
    if not right or other.instruction == group.instruction:
        return group
    chosen = [draw.choice(right), *draw.sample(wrong, min(len(wrong), LENT - 1))]
    more = tuple(Candidate(one.text, 0.0, "other") for one in chosen)
    return Group(group.instruction, group.candidates + more, group.task, group.template)
