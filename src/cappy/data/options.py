"""Finding answer choices that are listed in the text of an instruction."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cappy.text.normalization import normalise

_ENUMERATED = re.compile(r"^\s*(?:[-*•]\s*)?\(?([A-Za-z]|\d{1,2})[).:]\s+(\S.*?)\s*$")
_BULLET = re.compile(r"^\s*[-*•]\s+(\S.*?)\s*$")
_QUOTED_PAIR = re.compile(r'"([^"\n]{1,80})"\s*(?:or|and|,)\s*"([^"\n]{1,80})"')
_CHOICES_ARE = re.compile(r"\(choices are (.{1,80}?) or (.{1,80}?)\s*\)")
_POSSIBLE = re.compile(r"(?:possible answers|options|choices|categories)\s*:[ \t]*(\S[^\n]*,[^\n]*)", re.IGNORECASE)
_MARKS = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789", "123456789")


@dataclass(frozen=True, slots=True)
class OptionList:
    """Options in listed order; `marks` are their letters or numbers, if any."""

    texts: tuple[str, ...]
    marks: tuple[str, ...] = ()


def listed_options(instruction: str) -> list[OptionList]:
    """Return all lists of two or more options in `instruction`: enumerated, bulleted, quoted or after a colon."""
    found = list(_line_lists(instruction.splitlines()))
    found += [OptionList(match.groups()) for match in _QUOTED_PAIR.finditer(instruction)]
    found += [OptionList(match.groups()) for match in _CHOICES_ARE.finditer(instruction)]
    for match in _POSSIBLE.finditer(instruction):
        found.append(OptionList(tuple(part.strip() for part in match.group(1).split(",") if part.strip())))
    return [options for options in found if len(options.texts) > 1]


def _line_lists(lines: Sequence[str]) -> Iterator[OptionList]:
    """Yield runs of option lines; blank lines are allowed between options, other text ends a run."""
    run: list[tuple[str, str]] = []
    for line in [*lines, "end"]:
        if not line.strip():
            continue
        item = _option(line)
        if item is None or (run and bool(item[0]) != bool(run[0][0])):
            yield from _close(run)
            run = []
        if item is not None:
            run.append(item)


def _option(line: str) -> tuple[str, str] | None:
    """Split a line into mark and text; None if it is not an option."""
    enumerated = _ENUMERATED.match(line)
    if enumerated:
        return enumerated.group(1), enumerated.group(2)
    bullet = _BULLET.match(line)
    return ("", bullet.group(1)) if bullet else None


def _close(run: Sequence[tuple[str, str]]) -> Iterator[OptionList]:
    """Yield a finished run, if it is bulleted or its marks count up from the first."""
    if len(run) < 2:
        return
    marks = tuple(mark for mark, _ in run)
    texts = tuple(text for _, text in run)
    if not any(marks):
        yield OptionList(texts)
    elif any(sequence.startswith("".join(marks)) for sequence in _MARKS):
        yield OptionList(texts, marks)


def choices_for(response: str, options: Sequence[OptionList]) -> tuple[str, ...] | None:
    """Return the listed choices that `response` is one of: texts, or marks if it answers by letter or number.

    None if no list holds the response exactly once.
    """
    wanted = normalise(response)
    for listed in options:
        for names in (listed.texts, listed.marks):
            if [normalise(name) for name in names].count(wanted) == 1:
                distinct = {normalise(name): name for name in names}
                return tuple(response if key == wanted else name for key, name in distinct.items())
    return None
