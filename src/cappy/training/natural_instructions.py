"""Groups of super_natural_instructions (Wang et al., 2022, arXiv 2204.07705): many tasks, each with a definition."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cappy.data.distractors import suggest
from cappy.data.negatives import merge
from cappy.data.rendered import Rendered, closed_set
from cappy.group import Candidate, Group
from cappy.metrics.references import rouge_l
from cappy.text.normalization import normalise
from cappy.training.recipes import NaturalInstructions
from cappy.training.samples import Sampled, sample_candidates

Row = Mapping[str, Any]

TASK = "super_natural_instructions"
WORDINGS = (
    "{definition}\n\n{input}",
    "{definition}\n\nInput: {input}\nOutput:",
    "Definition: {definition}\n\nInput: {input}\n\nOutput:",
    "{input}\n\n{definition}",
    "Task: {definition}\nText: {input}\nAnswer:",
    "{definition}\n\nNow do this for the following.\n\n{input}",
    "Here is an input.\n\n{input}\n\nHere is what to do with it. {definition}",
)
_SAMPLED_WORDING = WORDINGS[0]
"""The wording that samples were drawn with; they are used with the other wordings too."""


def kept_out_tasks(tasks: Iterable[str], count: int) -> set[str]:
    """Choose `count` tasks by a hash of their names; at least one task is left for training."""
    ranked = sorted(set(tasks), key=lambda task: hashlib.sha256(task.encode()).hexdigest())
    return set(ranked[: min(count, len(ranked) - 1)])


def instruction_groups(
    rows: Sequence[Row], samples: Sampled, plan: NaturalInstructions, seed: int
) -> Iterator[tuple[bool, Group]]:
    """Yield (held out, group); kept-out tasks are held out. Tasks in `plan.left_out` are skipped."""
    tasks: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if not any(name in row["task"] for name in plan.left_out):
            tasks[row["task"]].append(row)
    kept_out = kept_out_tasks(tasks, plan.kept_out)
    for task in sorted(tasks):
        members = tasks[task]
        if task in kept_out:
            chosen = random.Random(f"{seed}:{task}").sample(members, min(len(members), plan.development_rows))
            yield from ((True, group) for group in _task_groups(members, chosen, samples, plan, f"{seed}:0"))
        else:
            for rendering in range(plan.renderings):
                found = _task_groups(members, members, samples, plan, f"{seed}:{rendering}")
                yield from ((False, group) for group in found)


def _task_groups(
    members: Sequence[Row], chosen: Sequence[Row], samples: Sampled, plan: NaturalInstructions, seed: str
) -> Iterator[Group]:
    """Yield the groups of `chosen` rows of one task; negatives are drawn from all its rows, `members`."""
    answers = [Rendered("", "", text) for row in members for text in row["outputs"]]
    choices = closed_set(answers)
    right: dict[str, list[str]] = defaultdict(list)
    for row in members:
        right[row["input"]] += row["outputs"]
    for row in chosen:
        draw = random.Random(f"{seed}:{row['task']}:{row['input']}")
        references = list(dict.fromkeys(right[row["input"]]))  # several rows may have the same input
        known = {normalise(text) for text in references}
        if choices:
            wrong = [Candidate(text, 0.0, "choice") for text in choices if normalise(text) not in known]
        else:
            wrong = _others(members, references, known, plan, draw)
        if not wrong:
            continue
        shown = draw.sample(references, min(plan.references, len(references)))
        asked = samples.get(_SAMPLED_WORDING.format_map(row), {})
        candidates = [Candidate(text, 1.0, "reference") for text in shown]
        candidates += [*wrong, *sample_candidates(asked, references)]
        group = Group(draw.choice(WORDINGS).format_map(row), merge(candidates), TASK, row["task"])
        yield suggest(group, seed, row["input"]) if draw.random() < plan.suggested else group


def _others(
    members: Sequence[Row], references: Sequence[str], known: set[str], plan: NaturalInstructions, draw: random.Random
) -> list[Candidate]:
    """Draw distinct answers to other inputs, labelled by their Rouge-L against the references."""
    found: dict[str, str] = {}
    for row in draw.sample(members, min(len(members), 3 * plan.others)):
        text = draw.choice(row["outputs"])
        if normalise(text) not in known and len(found) < plan.others:
            found.setdefault(normalise(text), text)
    return [Candidate(text, plan.other_label * rouge_l(text, references), "other") for text in found.values()]
