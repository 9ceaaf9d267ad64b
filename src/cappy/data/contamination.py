"""Contamination: evaluation texts that occur, whole, in training groups.

Texts are compared under `normalise`. Evaluation texts of enough words are found by the hash of their first words
anywhere in a training text, then compared in full.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cappy.errors import InputError
from cappy.files.rows import ENDINGS, read_rows
from cappy.group import Group
from cappy.text.normalization import normalise

SHINGLE = 6
"""Words hashed together; shorter evaluation texts ("yes") are too common to be searched for."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """An evaluation text found in a training group."""

    file: str
    text: str
    task: str
    template: str


class EvaluationTexts:
    """All texts of evaluation files, indexed by the hash of their first words."""

    def __init__(self, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Index every string in `rows`, each a file name and a row."""
        self._by_hash: dict[bytes, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
        seen: set[str] = set()
        for file, row in rows:
            for text in _strings(row):
                words = tuple(normalise(text).split())
                key = " ".join(words)
                if len(words) >= SHINGLE and key not in seen:
                    seen.add(key)
                    self._by_hash[_hash(words[:SHINGLE])].append((file, words))
        self.count = len(seen)

    def find(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield file and evaluation text for each that occurs in `text`."""
        words = tuple(normalise(text).split())
        for start in range(len(words) - SHINGLE + 1):
            for file, wanted in self._by_hash.get(_hash(words[start : start + SHINGLE]), ()):
                if words[start : start + len(wanted)] == wanted:
                    yield file, " ".join(wanted)


def _hash(words: tuple[str, ...]) -> bytes:
    return hashlib.blake2b(" ".join(words).encode(), digest_size=12).digest()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def read_evaluation_texts(folder: Path) -> EvaluationTexts:
    """Index the rows of every data file in `folder`."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of evaluation files.")
    files = sorted(path for path in folder.iterdir() if path.name.endswith(ENDINGS))
    return EvaluationTexts((path.name, row) for path in files for row in read_rows(path))


def without_overlaps(groups: Sequence[Group], texts: EvaluationTexts) -> list[Group]:
    """Return the groups that contain no evaluation text, in order."""
    return [group for group in groups if next(overlaps([group], texts), None) is None]


def overlaps(groups: Iterable[Group], texts: EvaluationTexts) -> Iterator[Overlap]:
    """Yield every evaluation text found in an instruction or a candidate."""
    for group in groups:
        found = {hit for text in (group.instruction, *(c.text for c in group.candidates)) for hit in texts.find(text)}
        for file, text in sorted(found):
            yield Overlap(file, text, group.task, group.template)
