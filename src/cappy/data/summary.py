"""What is in a set of groups, gathered in one pass: counts, lengths, labels, duplicates, examples, contamination."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from cappy.data.contamination import EvaluationTexts, Overlap, overlaps
from cappy.data.text import normalise
from cappy.group import Group

LABEL_BINS = 10
WORD_EDGES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Lower edges of the length histograms' bins, in words; the last bin is open."""
EXAMPLES = 3
OVERLAPS_SHOWN = 50


@dataclass(slots=True)
class Histogram:
    """Counts in bins, and the sum of what was counted."""

    bins: list[int]
    total: float = 0.0

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self.bins)

    @property
    def mean(self) -> float:
        """The mean value; 0 where there is none."""
        return self.total / self.count if self.count else 0.0


@dataclass(slots=True)
class TaskSummary:
    """One task: its groups, and per origin its candidates and their labels."""

    groups: int = 0
    candidates: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Histogram] = field(default_factory=dict)
    instruction_words: Histogram = field(default_factory=lambda: Histogram([0] * len(WORD_EDGES)))
    response_words: Histogram = field(default_factory=lambda: Histogram([0] * len(WORD_EDGES)))
    templates: Counter[str] = field(default_factory=Counter)
    examples: list[Group] = field(default_factory=list)


@dataclass(slots=True)
class Summary:
    """All tasks, the groups that occur more than once, and evaluation texts found (None: none were looked for)."""

    tasks: dict[str, TaskSummary]
    duplicates: int
    repeated_instructions: int
    overlaps: list[Overlap] | None
    overlap_counts: Counter[tuple[str, str]]

    @property
    def groups(self) -> int:
        """Groups in all."""
        return sum(task.groups for task in self.tasks.values())

    @property
    def candidates(self) -> Counter[str]:
        """Candidates by origin."""
        return sum((task.candidates for task in self.tasks.values()), Counter())


def summarise(groups: Iterable[Group], against: EvaluationTexts | None = None, seed: int = 0) -> Summary:
    """Go through groups once; memory grows by a few bytes a group. The examples of a task are drawn by `seed`."""
    tasks: dict[str, TaskSummary] = defaultdict(TaskSummary)
    draw = random.Random(seed)
    seen: set[bytes] = set()
    instructions: set[bytes] = set()
    duplicates = repeated = 0
    found: list[Overlap] = []
    counts: Counter[tuple[str, str]] = Counter()
    for group in groups:
        task = tasks[group.task or "(no task)"]
        _count(task, group)
        if len(task.examples) < EXAMPLES:
            task.examples.append(group)
        elif (place := draw.randrange(task.groups)) < EXAMPLES:  # reservoir sampling
            task.examples[place] = group
        asked = normalise(group.instruction)
        answers = sorted(normalise(candidate.text) for candidate in group.candidates)
        repeated += not _new(asked, instructions)
        duplicates += not _new("\n".join([asked, *answers]), seen)
        if against:
            for overlap in overlaps([group], against):
                counts[overlap.file, overlap.task] += 1
                if len(found) < OVERLAPS_SHOWN:
                    found.append(overlap)
    return Summary(dict(sorted(tasks.items())), duplicates, repeated, found if against else None, counts)


def _new(text: str, seen: set[bytes]) -> bool:
    key = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    if key in seen:
        return False
    seen.add(key)
    return True


def _count(task: TaskSummary, group: Group) -> None:
    task.groups += 1
    task.templates[group.template] += 1
    _add(task.instruction_words, word_bin(words := len(group.instruction.split())), words)
    for candidate in group.candidates:
        origin = candidate.origin
        task.candidates[origin] += 1
        _add(task.response_words, word_bin(words := len(candidate.text.split())), words)
        if candidate.label is not None:
            histogram = task.labels.setdefault(origin, Histogram([0] * LABEL_BINS))
            _add(histogram, label_bin(candidate.label), candidate.label)


def _add(histogram: Histogram, place: int, value: float) -> None:
    histogram.bins[place] += 1
    histogram.total += value


def label_bin(label: float) -> int:
    """Return the bin of a label: tenths of [0, 1], 1 in the last."""
    return min(LABEL_BINS - 1, max(0, int(label * LABEL_BINS)))


def word_bin(words: int) -> int:
    """Return the bin of a length in words."""
    return max(place for place, edge in enumerate(WORD_EDGES) if words >= edge)
