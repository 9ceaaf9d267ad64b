"""From rendered instruction sets (P3 style: template, instruction, response) to groups with negatives.

A rendered row says what is right, never what is wrong. Choices are found in this order: options listed in the text
(answered by text, letter or number); the template's closed label set; the choices of another rendering of the same row;
other responses of the same template.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cappy.data.options import choices_for, listed_options
from cappy.group import Example
from cappy.text.normalization import normalise

CLOSED_SET_SIZE = 14
"""A template with at most this many distinct responses has a closed label set."""
CLOSED_SET_ROWS = 40
"""Minimum number of rows to conclude that a label set is closed."""

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
"""Data sets of the T0 training mixture, as prefixes of template names (Sanh et al., 2022, table 5)."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendered row."""

    template: str
    instruction: str
    response: str
    address: str = ""


def task_of(template: str) -> str:
    """Return the data set that a template name begins with; the whole name if it is not one of T0's."""
    matches = [task for task in T0_TASKS if template.startswith(task)]
    return max(matches, key=len, default=template)


def rendered_examples(rows: Sequence[Rendered]) -> Iterator[tuple[int, Example]]:
    """Yield each row as an example, template by template, with its index within its template.

    Templates whose responses are all the same are left out, because they teach only that response.
    """
    by_template: dict[str, list[Rendered]] = defaultdict(list)
    for row in rows:
        by_template[row.template].append(row)
    listed = {template: [_listed(row) for row in members] for template, members in by_template.items()}
    siblings = _siblings(by_template, listed)
    for template, members in by_template.items():
        task = task_of(template)
        closed = closed_set(members)
        if len({normalise(row.response) for row in members}) < 2:
            continue
        for place, row in enumerate(members):
            choices = listed[template][place] or closed
            if choices is None:
                choices = _borrowed(row, siblings.get((task, normalise(row.response)), ()))
            yield place, Example(row.instruction, (row.response,), choices, task, template, row.address)


def _listed(row: Rendered) -> tuple[str, ...] | None:
    return choices_for(row.response, listed_options(row.instruction))


def closed_set(rows: Sequence[Rendered]) -> tuple[str, ...] | None:
    """Return the template's distinct responses, if they are few enough to be a label set."""
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
