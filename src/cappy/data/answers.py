"""Judged answers: an instruction with answers and how good each is, from the shapes that such data is published in.

Pairs (`chosen`, `rejected`; two responses with a verdict or with votes), lists (answers with a worth each, a field a
model with a table of strengths, comparisons of every two) and single answers that somebody judged are all read as one
thing: answers and their worth.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cappy.data.answer_formats import INSTRUCTION, Row, Shape, column_of, find_shape
from cappy.data.conversations import as_instruction
from cappy.data.source import Problem
from cappy.errors import InputError
from cappy.files.rows import read_rows

CONTEXT = ("input", "passages", "context")
"""Columns that go with the instruction, behind it."""
LIKELIHOODS = "log_likelihoods"


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """An instruction with answers to it; `worth` [answers] is higher for better ones, in any unit, and ties are equal.

    `log_likelihoods` [answers] are those of the language model that wrote them, where known; `address` says where the
    row lies.
    """

    instruction: str
    answers: tuple[str, ...]
    worth: tuple[float, ...]
    source: str = ""
    log_likelihoods: tuple[float, ...] = ()
    address: str = ""


def read_answers(
    path: Path, strengths: Mapping[str, float] | None = None, columns: Mapping[str, str] | None = None
) -> tuple[list[JudgedAnswers], list[Problem]]:
    """Read the rows of a file whose shape its columns tell; single judged answers to one instruction come together.

    Args:
        path: JSON lines, CSV or Parquet.
        strengths: how good each model's answers are, for files with a field a model (`response_MODEL`).
        columns: which column holds the `instruction` or the `source`, where that has no usual name.

    Raises:
        InputError: the file cannot be read, its shape is unknown, or no row can be used.

    """
    rows = list(read_rows(path))
    if not rows:
        raise InputError(f"{path} holds no rows.")
    found, problems = judged_answers(rows, path.name, strengths, columns)
    if not found:
        raise InputError(f"no row of {path} can be used; {problems[0].address}: {problems[0].reason}.")
    return found, problems


def judged_answers(
    rows: Sequence[Row],
    name: str,
    strengths: Mapping[str, float] | None = None,
    columns: Mapping[str, str] | None = None,
) -> tuple[list[JudgedAnswers], list[Problem]]:
    """Turn rows of one shape into judged answers.

    `name` stands in addresses, and for the source where `columns` names no column of it.

    Raises:
        InputError: the shape is unknown.

    """
    shape = find_shape(rows, strengths, name)
    found: list[JudgedAnswers] = []
    problems: list[Problem] = []
    for number, row in enumerate(rows, 1):
        address = f"{name}:{number}"
        try:
            found.append(_judged(row, shape, dict(columns or {}), address))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError) as error:
            reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            problems.append(Problem(address, "no judged answers", reason))
    return _together(found), problems


def _judged(row: Row, shape: Shape, columns: Mapping[str, str], address: str) -> JudgedAnswers:
    texts, worth, asked = shape(row)
    instruction = _instruction(row, columns.get("instruction")) if asked is None else asked
    told = tuple(row.get(LIKELIHOODS) or ())
    if not texts or len(texts) != len(worth) or (told and len(told) != len(texts)):
        raise ValueError("there must be answers, and their worth and likelihoods must be as many")
    if not instruction.strip():
        raise ValueError("the instruction is empty")
    source = row.get(columns["source"]) if "source" in columns else None
    named = str(source or address.partition(".")[0])
    return JudgedAnswers(instruction, tuple(texts), tuple(map(float, worth)), named, told, address)


def _instruction(row: Row, column: str | None) -> str:
    """Return what was asked, with the text it is about behind it."""
    asked = column or column_of(row, INSTRUCTION)
    if asked is None:
        raise ValueError(f"there is no instruction; it is looked for in {', '.join(INSTRUCTION)}")
    parts = [as_instruction(row[asked])]
    parts += [row[name] for name in CONTEXT if name != asked and isinstance(row.get(name), str) and row[name].strip()]
    return "\n\n".join(parts)


def _together(found: Iterable[JudgedAnswers]) -> list[JudgedAnswers]:
    """Gather single answers to one instruction, and keep the rest as it is."""
    rest: list[JudgedAnswers] = []
    singles: dict[tuple[str, str], list[JudgedAnswers]] = defaultdict(list)
    for one in found:
        if len(one.answers) > 1:
            rest.append(one)
        else:
            singles[one.source, one.instruction].append(one)
    for members in singles.values():
        merged = {member.answers[0]: member.worth[0] for member in members}
        rest.append(replace(members[0], answers=tuple(merged), worth=tuple(merged.values()), log_likelihoods=()))
    return rest


def drawn_answers(row: JudgedAnswers, count: int | None, seed: int) -> JudgedAnswers:
    """Draw `count` of a row's answers, in random order; all in their order where it has no more or count is None."""
    if count is None or len(row.answers) <= count:
        return row
    places = random.Random(f"{seed}:{row.instruction}").sample(range(len(row.answers)), count)
    told = tuple(row.log_likelihoods[place] for place in places) if row.log_likelihoods else ()
    return replace(
        row,
        answers=tuple(row.answers[place] for place in places),
        worth=tuple(row.worth[place] for place in places),
        log_likelihoods=told,
    )
