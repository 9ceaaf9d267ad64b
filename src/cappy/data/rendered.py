"""Rendered instruction sets (P3 style: template, instruction, response) to groups with wrong answers.

A rendered row says what is right, never what is wrong. The choices are worked out in this order:
options listed in the text (answered by text, letter or number); the template's closed label set;
the choices of another rendering of the same row; otherwise other responses of the same template.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cappy.data.options import choices_for, listed_options
from cappy.data.text import normalise
from cappy.group import Candidate, Group

CLOSED_SET_SIZE = 14
"""A template with at most this many distinct responses answers from a closed set."""
CLOSED_SET_ROWS = 40
"""Fewer rows than this do not show that a set is closed."""

T0_TASKS = (
    "adversarial_qa",
    "ag_news",
    "amazon_polarity",
    "app_reviews",
    "cnn_dailymail",
    "common_gen",
    "commonsense_qa",
    "cosmos_qa",
    "dbpedia_14",
    "dream",
    "duorc",
    "gigaword",
    "glue_mrpc",
    "glue_qqp",
    "imdb",
    "kilt_tasks_hotpotqa",
    "multi_news",
    "paws",
    "qasc",
    "quarel",
    "quartz",
    "quoref",
    "ropes",
    "rotten_tomatoes",
    "samsum",
    "sciq",
    "social_i_qa",
    "trec",
    "wiki_bio",
    "wiki_hop",
    "wiki_qa",
    "wiqa",
    "xsum",
    "yelp_review_full",
)
"""Data sets of the T0 training mixture as their template names begin (Sanh et al., 2022, table 5)."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendered row."""

    template: str
    instruction: str
    response: str


def task_of(template: str) -> str:
    """Return the data set a template name begins with; the whole name if it is none of T0's."""
    matches = [task for task in T0_TASKS if template.startswith(task)]
    return max(matches, key=len, default=template)


def groups_from_rendered(rows: Sequence[Rendered], wrong: int, seed: int) -> Iterator[tuple[int, Group]]:
    """Yield groups with the row's place within its template, so that a caller can split by row.

    `wrong` is how many wrong answers a row gets where other rows must lend them. Templates whose
    every response is the same teach nothing but that response, and are left out.
    """
    by_template: dict[str, list[Rendered]] = defaultdict(list)
    for row in rows:
        by_template[row.template].append(row)
    listed = {template: [_listed(row) for row in members] for template, members in by_template.items()}
    siblings = _siblings(by_template, listed)
    for template, members in by_template.items():
        random_source = random.Random(f"{seed}:{template}")
        task = task_of(template)
        closed = closed_set(members)
        if len({normalise(row.response) for row in members}) < 2:
            continue
        for place, row in enumerate(members):
            choices = listed[template][place] or closed
            origin = "choice"
            if choices is None:
                choices = _borrowed(row, siblings.get((task, normalise(row.response)), ()))
            if choices is None:
                choices = (row.response, *_other_responses(members, place, wrong, random_source))
                origin = "other"
            if len(choices) > 1:
                yield place, _labelled(row, choices, origin, task)


def _listed(row: Rendered) -> tuple[str, ...] | None:
    return choices_for(row.response, listed_options(row.instruction))


def closed_set(rows: Sequence[Rendered]) -> tuple[str, ...] | None:
    """Return the template's distinct responses, if they are few enough to be its label set."""
    names: dict[str, str] = {}
    for row in rows:
        names.setdefault(normalise(row.response), row.response)
    few = 1 < len(names) <= CLOSED_SET_SIZE and len(rows) >= CLOSED_SET_ROWS
    short = all(len(name.split()) <= 12 for name in names.values())
    return tuple(sorted(names.values())) if few and short else None


def _siblings(
    by_template: Mapping[str, Sequence[Rendered]], listed: Mapping[str, Sequence[tuple[str, ...] | None]]
) -> dict[tuple[str, str], list[tuple[Counter[str], tuple[str, ...]]]]:
    """Index rows with listed choices by task and answer, with the words of their instruction."""
    index: dict[tuple[str, str], list[tuple[Counter[str], tuple[str, ...]]]] = defaultdict(list)
    for template, members in by_template.items():
        task = task_of(template)
        for row, choices in zip(members, listed[template], strict=True):
            if choices and len(normalise(row.response)) > 1:
                index[task, normalise(row.response)].append((Counter(normalise(row.instruction).split()), choices))
    return index


def _borrowed(row: Rendered, candidates: Sequence[tuple[Counter[str], tuple[str, ...]]]) -> tuple[str, ...] | None:
    """Return the choices of a sibling rendering whose words cover nearly all of this instruction's."""
    words = Counter(normalise(row.instruction).split())
    total = sum(words.values())
    best = max(candidates, key=lambda item: sum((words & item[0]).values()), default=None)
    if best is None or sum((words & best[0]).values()) < 0.7 * total:
        return None
    return best[1]


def _other_responses(rows: Sequence[Rendered], place: int, count: int, random_source: random.Random) -> list[str]:
    """Pick wrong answers from the template's other rows: half from the neighbourhood, half from anywhere.

    Neighbouring rows often share their passage, which makes their answers the harder ones. Of the
    far ones those of a similar length are taken, so that length alone tells nothing.
    """
    truth = rows[place]
    taken = {normalise(truth.response)}
    taken |= {normalise(row.response) for row in rows if row.instruction == truth.instruction}
    near = [i for i in range(max(0, place - 6), min(len(rows), place + 7)) if i != place]
    far = random_source.sample(range(len(rows)), min(len(rows), 4 * count))
    far.sort(key=lambda i: abs(len(rows[i].response) - len(truth.response)))
    random_source.shuffle(near)
    chosen: list[str] = []
    for pool, limit in ((near, count // 2), (far, count)):
        for index in pool:
            key = normalise(rows[index].response)
            if len(chosen) < limit and key and key not in taken:
                taken.add(key)
                chosen.append(rows[index].response)
    return chosen


def _labelled(row: Rendered, choices: Sequence[str], origin: str, task: str) -> Group:
    """Label the choice that equals the response 1 and the rest 0."""
    truth = normalise(row.response)
    candidates = tuple(
        Candidate(text, 1.0, "reference") if normalise(text) == truth else Candidate(text, 0.0, origin)
        for text in choices
    )
    return Group(row.instruction, candidates, task, row.template)
