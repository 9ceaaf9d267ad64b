"""Formats of judged answers, recognised by their columns: a row becomes answers and their worth."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from cappy.data.conversations import last_message, split_conversation
from cappy.errors import InputError

Row = Mapping[str, Any]
Shape = Callable[[Row], tuple[Sequence[str], Sequence[float], str | None]]
"""Maps a row to its answers, their worth, and the instruction if the answers contain it."""

INSTRUCTION = ("instruction", "prompt", "question", "query", "input")
"""Columns of the instruction; the first that a row has is used."""
TWO = (
    ("response_1", "response_2"),
    ("response1", "response2"),
    ("output_1", "output_2"),
    ("response_a", "response_b"),
    ("completion_a", "completion_b"),
    ("answer_a", "answer_b"),
)
VERDICT = ("label", "preference", "winner", "verdict")
MANY = ("answers", "responses", "completions", "outputs", "candidates")
WORTH = ("worth", "labels", "scores", "ratings", "qualities", "win_rates")
ONE = ("completion", "response", "answer", "output")
JUDGED = ("label", "correct", "is_correct", "hallucination")
FIELD = "response_"
"""Prefix of a model's field."""
TIE, FIRST, SECOND = (0.5, 0.5), (1.0, 0.0), (0.0, 1.0)


def find_shape(rows: Sequence[Row], strengths: Mapping[str, float] | None, name: str) -> Shape:
    """Return the reader for rows, chosen by the columns of the first.

    Raises:
        InputError: the format is unknown, or a model has a field but no strength.

    """
    for recognise in (_pairs, _voted, _decided, _labelled, _rated, _compared, _single):
        shape = recognise(rows)
        if shape:
            return shape
    fields = [column for column in rows[0] if column.startswith(FIELD)]
    if fields:
        return _by_model(fields, strengths or {}, name)
    raise InputError(
        f"{name} has the columns {', '.join(rows[0])}, which is no known format of judged answers: chosen and "
        "rejected; two responses with a label, a preference or votes; answers with their worth; response_MODEL fields; "
        "or one response with a label."
    )


def _pairs(rows: Sequence[Row]) -> Shape | None:
    """Read chosen and rejected answers."""
    return _preferred if "chosen" in rows[0] and "rejected" in rows[0] else None


def _voted(rows: Sequence[Row]) -> Shape | None:
    """Read two answers with people's votes."""
    two = _two(rows[0])
    if not two or not {"votes1", "votes2"} <= set(rows[0]):
        return None
    return lambda row: (_texts(row[column] for column in two), _votes(row), None)


def _decided(rows: Sequence[Row]) -> Shape | None:
    """Read two answers with a verdict."""
    two, verdict = _two(rows[0]), column_of(rows[0], VERDICT)
    if not two or not verdict:
        return None
    read = verdict_reader([row.get(verdict) for row in rows])
    return lambda row: (_texts(row[column] for column in two), read(row[verdict]), None)


def _labelled(rows: Sequence[Row]) -> Shape | None:
    """Read groups of labelled candidates, as `cappy data` writes them."""
    candidates = rows[0].get("candidates")
    if not isinstance(candidates, list) or not candidates or not isinstance(candidates[0], Mapping):
        return None
    return lambda row: (
        [one["text"] for one in row["candidates"]],
        [float(one["label"]) for one in row["candidates"]],
        None,
    )


def _rated(rows: Sequence[Row]) -> Shape | None:
    """Read a list of answers and a list of their worth."""
    many, worth = column_of(rows[0], MANY), column_of(rows[0], WORTH)
    if not many or not worth:
        return None
    return lambda row: (_texts(row[many]), [float(value) for value in row[worth]], None)


def _compared(rows: Sequence[Row]) -> Shape | None:
    """Read answers in fields `prediction_1` and so on, with a verdict on every pair."""
    fields = sorted(column for column in rows[0] if re.fullmatch(r"prediction_\d+", column))
    if not fields or not isinstance(rows[0].get("preference"), list):
        return None
    return lambda row: (_texts(row[column] for column in fields), wins(len(fields), row["preference"]), None)


def _single(rows: Sequence[Row]) -> Shape | None:
    """Read one answer that somebody judged."""
    one, judged = column_of(rows[0], ONE), column_of(rows[0], JUDGED)
    if not one or not judged:
        return None
    return lambda row: ([row[one]], [_judgement(judged, row[judged])], None)


def _two(row: Row) -> tuple[str, str] | None:
    return next((pair for pair in TWO if set(pair) <= set(row)), None)


def column_of(row: Row, names: Sequence[str]) -> str | None:
    """Return the first of these columns that is not empty."""
    return next((name for name in names if row.get(name) is not None), None)


def verdict_reader(values: Sequence[Any]) -> Callable[[Any], tuple[float, float]]:
    """Return a function from a verdict on two answers to the worth of both.

    Numbers name the better one as 1 or 2, with 3 for a tie; if there is a 0 in the file, as 0 or 1, with 2 for a tie.
    Words name the better one by `a`, `1` or `first` (`model_a`, `b-is-slightly-better`), or say that it is a tie.

    The function raises a ValueError for any other verdict.
    """
    from_zero = any(str(value).strip() == "0" for value in values)
    table = {0: FIRST, 1: SECOND, 2: TIE} if from_zero else {1: FIRST, 2: SECOND, 3: TIE}

    def read(value: Any) -> tuple[float, float]:
        if isinstance(value, str) and not value.strip().isdigit():
            words = re.findall(r"[a-z]+|\d+", value.lower())
            if "tie" in words or "equal" in words or "both" in words:
                return TIE
            if {"a", "1", "first"} & set(words):
                return FIRST
            if {"b", "2", "second"} & set(words):
                return SECOND
        elif int(value) in table:
            return table[int(value)]
        raise ValueError(f"a verdict {value!r} on two answers is not understood")

    return read


def wins(count: int, verdicts: Sequence[int]) -> list[float]:
    """Return each answer's share of wins [count]; ties count half.

    `verdicts` are on every pair in order, (1, 2), (1, 3), …: 0 is a tie, 1 or 2 names the better one.
    """
    pairs = list(combinations(range(count), 2))
    if len(pairs) != len(verdicts):
        raise ValueError(f"{count} answers have {len(pairs)} pairs, but there are {len(verdicts)} verdicts")
    points = [0.0] * count
    for (one, other), verdict in zip(pairs, verdicts, strict=True):
        for place, point in zip((one, other), {0: TIE, 1: FIRST, 2: SECOND}[verdict], strict=True):
            points[place] += point
    return [point / (count - 1) for point in points]


def _preferred(row: Row) -> tuple[list[str], list[float], str | None]:
    """Read chosen and rejected answers: texts, lists of texts, or whole conversations that differ in the last turn."""
    sides = [row["chosen"], row["rejected"]]
    asked = None
    if column_of(row, INSTRUCTION) is None:
        parted = [split_conversation(side) for side in sides]
        if parted[0][0] != parted[1][0]:
            raise ValueError("the conversations of chosen and rejected differ before their last turn")
        asked, texts = parted[0][0], [[answer] for _, answer in parted]
    else:
        texts = [_answers(side) for side in sides]
    return [*texts[0], *texts[1]], [*[1.0] * len(texts[0]), *[0.0] * len(texts[1])], asked


def _answers(side: Any) -> list[str]:
    """Return the texts of one side: a text, several texts, or the last message of a conversation."""
    if isinstance(side, str):
        return [side]
    if side and isinstance(side[0], Mapping):
        return [last_message(side)]
    return _texts(side)


def _votes(row: Row) -> list[float]:
    """Return shares of the votes; votes for a tie are split."""
    first, second, ties = (float(row.get(name) or 0) for name in ("votes1", "votes2", "ties"))
    total = first + second + ties
    return [(first + ties / 2) / total, (second + ties / 2) / total]


def _by_model(fields: Sequence[str], strengths: Mapping[str, float], name: str) -> Shape:
    models = {column: column.removeprefix(FIELD) for column in fields}
    missing = [model for model in models.values() if model not in strengths]
    if missing:
        raise InputError(f"{name} has one field per model; say how good each is (--strengths): {', '.join(missing)}.")

    def read(row: Row) -> tuple[list[str], list[float], None]:
        there = [column for column in fields if isinstance(row.get(column), str)]
        return [row[column] for column in there], [float(strengths[models[column]]) for column in there], None

    return read


def _judgement(column: str, value: Any) -> float:
    """Turn a judgement of one answer into its worth; for hallucinations "no" is good."""
    if isinstance(value, str):
        said = value.strip().lower()
        if said not in ("yes", "no", "true", "false"):
            return float(said)
        value = said in ("yes", "true")
    return float(value) if column != "hallucination" else 1.0 - float(value)


def _texts(values: Iterable[Any]) -> list[str]:
    texts = list(values)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("an answer is no text")
    return texts
