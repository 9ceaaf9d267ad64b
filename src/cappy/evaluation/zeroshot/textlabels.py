"""Labels that are texts, in sets of one's own: which choice of a template each of them stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cappy.data.candidates import choice_group
from cappy.data.promptsource import Template, rendered_example
from cappy.data.rows import Row
from cappy.data.text import normalise
from cappy.errors import InputError

Answers = Mapping[int, frozenset[str]]
"""The right answers, normalised, by the row's number; only rows that give a group of choices are there."""


def text_labels(rows: Sequence[Row]) -> list[str]:
    """Return the distinct labels of rows that have texts for labels, in case-folded order; none of other rows."""
    return sorted({row["label"] for row in rows if isinstance(row.get("label"), str)}, key=str.casefold)


def fitted_labels(template: Template, rows: Sequence[Row], labels: Sequence[str]) -> tuple[list[Row], str]:
    """Return rows with their labels as the template takes them, and a note where a guess was needed.

    A template may compare or write a label's text; then it stays. Where labels count choices, a label is the place of
    the choice that has its text. Where no choice has, it is the label's place in the order of `labels`, if there are as
    many as choices. No way is taken that gives rows of different labels one and the same answer throughout.

    Raises:
        InputError: none of these ways fits, so that nobody knows which choice is right.

    """
    if not labels:
        return list(rows), ""
    names = {number: _key(row["label"]) for number, row in enumerate(rows)}
    found = _answers(template, rows)
    if _differ(found) or _are_texts(found, names):
        return list(rows), ""
    choices = [[_key(text) for text in template.choices(row)] for row in rows]
    if all(texts.count(names[number]) == 1 for number, texts in enumerate(choices)):
        placed = [{**row, "label": choices[number].index(names[number])} for number, row in enumerate(rows)]
        if _are_texts(_answers(template, placed), names):
            return placed, ""
    elif all(len(texts) == len(labels) for texts in choices) and not any(
        name in choices[number] for number, name in names.items()
    ):
        number_of = {label: place for place, label in enumerate(labels)}
        counted = [{**row, "label": number_of[row["label"]]} for row in rows]
        if _differ(_answers(template, counted)):
            said = ", ".join(f"{label!r} {place}" for label, place in number_of.items())
            return counted, f"template {template.name!r} counts choices, and labels got their numbers in order: {said}"
    shown = ", ".join(map(repr, labels[:4])) + (", …" if len(labels) > 4 else "")
    raise InputError(
        f"its choices do not tell what the labels {shown} stand for; write them as the choices are, "
        "or as numbers from 0"
    )


def _answers(template: Template, rows: Sequence[Row]) -> Answers:
    """Render rows and return what is right; nothing where the template does not fit them."""
    found = {}
    try:
        for number, row in enumerate(rows):
            rendering = template.render(row)
            group = choice_group(rendered_example(rendering, "", template.name)) if rendering else None
            if group:
                found[number] = frozenset(_key(one.text) for one in group.candidates if one.label)
    except InputError:
        return {}
    return found


def _differ(found: Answers) -> bool:
    """Tell whether there are rows of different right answers."""
    return len(set(found.values())) > 1


def _are_texts(found: Answers, names: Mapping[int, str]) -> bool:
    """Tell whether there are answers, and every one is its row's label."""
    return bool(found) and all(names[number] in answers for number, answers in found.items())


def _key(text: str) -> str:
    """Return what a label and a choice have in common: "card_arrival" is "Card arrival"."""
    return normalise(text.replace("_", " "))
