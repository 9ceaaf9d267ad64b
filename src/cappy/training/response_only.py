"""Response-only negatives: a group's answers beside another's instruction, where all of them are wrong.

A response that is right somewhere is then wrong elsewhere, so that it cannot be scored without its instruction.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from cappy.group import Candidate, Group
from cappy.text.normalization import normalise
from cappy.training.mixture import has_lent_answers

LENT = 2
"""Answers that a group is lent: a right one of the other group, and a wrong one."""


def with_response_only_negatives(groups: Sequence[Group], share: float, seed: int) -> list[Group]:
    """Lend a `share` of the groups, [0, 1], two answers of another group of their task and template, labelled 0.

    A group stays as it is where its wrong answers were lent already, and where the other has no right answer that it
    lacks, as among groups of one closed set of labels: there the same answers are right and wrong by turns anyhow.
    So fewer than the share are lent to. The order stays; the same seed lends the same answers.
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
