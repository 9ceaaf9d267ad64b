"""Labelled texts from a file of your own, and an instruction guessed from its column names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from cappy.errors import InputError
from cappy.files.rows import BadRow, scan_rows

TEXTS = (
    "text",
    "sentence",
    "review",
    "message",
    "query",
    "question",
    "utterance",
    "comment",
    "tweet",
    "content",
)
LABELS = (
    *("label", "category", "intent", "class", "topic", "sentiment", "tag", "rating", "stars", "label_text"),
    *("labels", "categories", "topics", "tags"),
)
"""Default columns; the first that the file has is used."""
LISTED = 12
"""Maximum number of labels that an instruction lists."""


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts with their labels, the columns they came from, and the rows left out, with reasons.

    `labels` has one label per text. If texts may have several, `lists` has them and `labels` is empty.
    """

    texts: list[str]
    labels: list[str]
    text_column: str
    label_column: str
    left_out: list[str]
    lists: list[list[str]] | None = None

    @property
    def different(self) -> list[str]:
        """The distinct labels, sorted."""
        return sorted({label for one in self.lists for label in one} if self.lists is not None else set(self.labels))


def columns_of(columns: Sequence[str], text: str | None, label: str | None) -> tuple[str, str]:
    """Return the columns of texts and labels: those given, or the usual ones.

    Raises:
        InputError: a column does not exist.

    """
    found = []
    for wanted, usual, what in ((text, TEXTS, "texts"), (label, LABELS, "labels")):
        name = wanted or next((one for one in usual if one in columns), None)
        if name is None:
            option = f"--{what[:-1]}-column"
            raise InputError(
                f"none of the columns {', '.join(columns)} is a usual name for {what}; name the column with {option}."
            )
        if name not in columns:
            raise InputError(f"there is no column {name!r}; the file has {', '.join(columns)}.")
        found.append(name)
    return found[0], found[1]


def has_labels(path: Path) -> bool:
    """Return whether a file looks like labelled texts: usual columns for both, and none for questions with answers."""
    rows = [row for _, row in islice(scan_rows(path), 1) if not isinstance(row, BadRow)]
    columns = set(rows[0]) if rows else set()
    if columns & {"instruction", "response", "references"}:
        return False
    return bool(columns.intersection(TEXTS) and columns.intersection(LABELS))


def read_labelled(
    path: Path, text: str | None = None, label: str | None = None, separator: str | None = None
) -> LabelledTexts:
    """Read texts and labels; rows without either are left out and listed.

    If a label is a list, or a `separator` is given, texts may have any number of labels.

    Raises:
        InputError: a column does not exist, or there are fewer than two labels.

    """
    texts, labels, left_out = [], [], []
    names: tuple[str, str] | None = None
    several = separator is not None
    for number, row in scan_rows(path):
        place = f"{path.name}:{number}"
        if isinstance(row, BadRow):
            left_out.append(f"{place}: {row.reason}")
            continue
        names = names or columns_of(list(row), text, label)
        said, meant = row.get(names[0]), row.get(names[1])
        if not isinstance(said, str) or not said.strip():
            left_out.append(f"{place}: no text in {names[0]!r}")
        elif meant is None or (not str(meant).strip() and separator is None):
            left_out.append(f"{place}: no label in {names[1]!r}")
        else:
            several |= isinstance(meant, list)
            texts.append(said)
            labels.append(_labels(meant, separator))
    if names is None:
        raise InputError(f"{path} holds no rows that can be read.")
    different = {one for of_text in labels for one in of_text}
    if len(different) < 2:
        raise InputError(
            f"{path}: {_rows(len(labels))} a text and a label, and {_count(len(different), 'different label')} in "
            f"{names[1]!r}; two are needed."
        )
    if several:
        return LabelledTexts(texts, [], *names, left_out, labels)
    return LabelledTexts(texts, [one for (one,) in labels], *names, left_out)


def guess_instruction(text_column: str, label_column: str, labels: Sequence[str], several: bool = False) -> str:
    r"""Make an instruction with {text} from the column names; if there are few labels, it lists them.

    `several` says that a text may have several labels.

    >>> guess_instruction("review", "sentiment", ["bad", "good"])
    '{text}\\nWhat is the sentiment of this review: {choices}?'
    """
    thing, asked = _words(text_column), _words(label_column)
    thing = thing if text_column in TEXTS and thing != "content" else "text"
    listed = ": {choices}" if len(labels) <= LISTED else ""
    if several:
        return f"{{text}}\nWhat are the {asked if asked.endswith('s') else f'{asked}s'} of this {thing}{listed}?"
    if asked in ("label", "label text", "class", "category", "tag", "stars"):
        return f"{{text}}\nWhich of these describes this {thing} best{listed}?"
    return f"{{text}}\nWhat is the {asked} of this {thing}{listed}?"


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.]+", " ", name).strip().lower()


def _labels(value: Any, separator: str | None) -> list[str]:
    """Return a row's labels without repetitions."""
    if isinstance(value, list):
        return list(dict.fromkeys(_label(one) for one in value))
    parts = [value] if separator is None else str(value).split(separator)
    return list(dict.fromkeys(label for part in parts if (label := _label(part))))


def _label(value: Any) -> str:
    """Return a label as text; a whole number stored as a float is written as an integer."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _rows(number: int) -> str:
    return "1 row has" if number == 1 else f"{number} rows have"


def _count(number: int, thing: str) -> str:
    return f"there is 1 {thing}" if number == 1 else f"there are {number} {thing}s"
