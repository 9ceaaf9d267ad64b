"""Judged answers: an instruction with answers and the worth of each, read from the formats that are in use.

Pairs (`chosen` and `rejected`; two responses with a verdict or votes), lists (answers with a worth each, one field per
model with a table of strengths, comparisons of every pair) and single judged answers are all read into the same form.
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
"""Columns whose text is appended to the instruction."""
LIKELIHOODS = "log_likelihoods"


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """An instruction with answers; `worth` [answers] is higher for better ones, in any unit, and equal for ties.

    `log_likelihoods` [answers] are those of the language model that wrote them, if known; `address` says where the row
    is.
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
    """Read a file in a format recognised by its columns; single judged answers are grouped by instruction.

    Args:
        path: JSON lines, CSV or Parquet.
        strengths: how good each model's answers are, for files with one field per model (`response_MODEL`).
        columns: the column of the `instruction` or the `source`, if its name is unusual.

    Raises:
        InputError: the file cannot be read, its format is unknown, or no row can be used.

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
    """Turn rows of one format into judged answers.

    `name` is used in addresses, and as the source if `columns` names no column for it.

    Raises:
        InputError: the format is unknown.

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
    """Return the instruction, followed by the text that it is about."""
    asked = column or column_of(row, INSTRUCTION)
    if asked is None:
        raise ValueError(f"there is no instruction; it is looked for in {', '.join(INSTRUCTION)}")
    parts = [as_instruction(row[asked])]
    parts += [row[name] for name in CONTEXT if name != asked and isinstance(row.get(name), str) and row[name].strip()]
    return "\n\n".join(parts)


def _together(found: Iterable[JudgedAnswers]) -> list[JudgedAnswers]:
    """Group single answers by instruction, and keep the rest unchanged."""
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
    """Draw `count` of a row's answers in random order; all in order if there are no more, or `count` is None."""
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
