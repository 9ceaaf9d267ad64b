"""A summary of groups, in one pass: counts, lengths, labels, duplicates, examples, contamination."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cappy.data.contamination import EvaluationTexts, Overlap, overlaps
from cappy.data.reservoir import Reservoir
from cappy.group import Group
from cappy.text.normalization import normalise

LABEL_BINS = 10
WORD_EDGES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Lower edges of the length histograms' bins, in words; the last bin is open."""
EXAMPLES = 3
DUPLICATES_SHOWN = 5
OVERLAPS_SHOWN = 50


@dataclass(slots=True)
class Histogram:
    """Counts in bins, and the sum of what was counted."""

    bins: list[int]
    total: float = 0.0

    @property
    def count(self) -> int:
        """Number of values counted."""
        return sum(self.bins)

    @property
    def mean(self) -> float:
        """The mean value; 0 if there are none."""
        return self.total / self.count if self.count else 0.0

    def add(self, place: int, value: float) -> None:
        """Count a value in the bin at `place`."""
        self.bins[place] += 1
        self.total += value


def _of_words() -> Histogram:
    return Histogram([0] * len(WORD_EDGES))


@dataclass(slots=True)
class TaskSummary:
    """One task: its groups, how many of them are repeated, and candidates and labels by origin."""

    groups: int = 0
    duplicates: int = 0
    """Groups that repeat the instruction and candidates of an earlier one, of any task."""
    repeated_instructions: int = 0
    candidates: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Histogram] = field(default_factory=dict)
    instruction_words: Histogram = field(default_factory=_of_words)
    response_words: dict[str, Histogram] = field(default_factory=dict)
    templates: Counter[str] = field(default_factory=Counter)
    examples: list[Group] = field(default_factory=list)


@dataclass(slots=True)
class Summary:
    """All tasks, duplicate groups, and evaluation texts found (None if there was no search)."""

    tasks: dict[str, TaskSummary]
    duplicates: list[Group]
    """Examples of repeated groups."""
    overlaps: list[Overlap] | None
    overlap_counts: Counter[tuple[str, str]]

    @property
    def candidates(self) -> Counter[str]:
        """Candidates by origin."""
        return sum((task.candidates for task in self.tasks.values()), Counter())

    @property
    def total(self) -> TaskSummary:
        """All tasks as one, without examples."""
        whole = TaskSummary()
        for task in self.tasks.values():
            whole.groups += task.groups
            whole.duplicates += task.duplicates
            whole.repeated_instructions += task.repeated_instructions
            whole.candidates += task.candidates
            whole.templates += task.templates
            whole.instruction_words = merged([whole.instruction_words, task.instruction_words])
            for mine, its in ((whole.labels, task.labels), (whole.response_words, task.response_words)):
                for origin, histogram in its.items():
                    mine[origin] = merged([mine[origin], histogram]) if origin in mine else histogram
        return whole


def merged(histograms: Sequence[Histogram]) -> Histogram:
    """Sum histograms with the same bins; at least one is needed."""
    bins = [sum(counts) for counts in zip(*(histogram.bins for histogram in histograms), strict=True)]
    return Histogram(bins, sum(histogram.total for histogram in histograms))


def summarise(groups: Iterable[Group], against: EvaluationTexts | None = None, seed: int = 0) -> Summary:
    """Summarise groups in one pass; memory grows by a few bytes per group. Examples are drawn by `seed`."""
    tasks: dict[str, TaskSummary] = defaultdict(TaskSummary)
    examples: dict[str, Reservoir[Group]] = {}
    again: Reservoir[Group] = Reservoir(DUPLICATES_SHOWN, seed)
    seen: set[bytes] = set()
    instructions: set[bytes] = set()
    found: list[Overlap] = []
    counts: Counter[tuple[str, str]] = Counter()
    for group in groups:
        name = group.task or "(no task)"
        task = tasks[name]
        _count(task, group)
        examples.setdefault(name, Reservoir(EXAMPLES, f"{seed}:{name}")).add(group)
        asked = normalise(group.instruction)
        answers = sorted(normalise(candidate.text) for candidate in group.candidates)
        task.repeated_instructions += not _new(asked, instructions)
        if not _new("\n".join([asked, *answers]), seen):
            task.duplicates += 1
            again.add(group)
        if against:
            for overlap in overlaps([group], against):
                counts[overlap.file, overlap.task] += 1
                if len(found) < OVERLAPS_SHOWN:
                    found.append(overlap)
    for name, drawn in examples.items():
        tasks[name].examples = drawn.items()
    return Summary(dict(sorted(tasks.items())), again.items(), found if against else None, counts)


def _new(text: str, seen: set[bytes]) -> bool:
    key = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    if key in seen:
        return False
    seen.add(key)
    return True


def _count(task: TaskSummary, group: Group) -> None:
    task.groups += 1
    task.templates[group.template] += 1
    words = len(group.instruction.split())
    task.instruction_words.add(word_bin(words), words)
    for candidate in group.candidates:
        origin = candidate.origin
        task.candidates[origin] += 1
        words = len(candidate.text.split())
        task.response_words.setdefault(origin, _of_words()).add(word_bin(words), words)
        if candidate.label is not None:
            histogram = task.labels.setdefault(origin, Histogram([0] * LABEL_BINS))
            histogram.add(label_bin(candidate.label), candidate.label)


def label_bin(label: float) -> int:
    """Return the bin of a label: tenths of [0, 1], 1 in the last."""
    return min(LABEL_BINS - 1, max(0, int(label * LABEL_BINS)))


def word_bin(words: int) -> int:
    """Return the bin of a length in words."""
    return max(place for place, edge in enumerate(WORD_EDGES) if words >= edge)
