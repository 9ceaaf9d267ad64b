"""Text labels in a user's own sets: find the choice of a template that each label stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cappy.data.negatives import choice_group
from cappy.data.promptsource import Template, rendered_example
from cappy.errors import InputError
from cappy.files.rows import Row
from cappy.text.normalization import normalise

_PROBES, _OTHERS, _SHOWN = 20, 50, 8


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a set: the distinct `texts` of all its rows, in case-folded order, and a few rows to try them on.

    Their meaning is inferred from these, so that it does not depend on the rows drawn.
    """

    texts: tuple[str, ...] = ()
    probes: tuple[Row, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Labels:
        """Gather the text labels in the column `label`; empty if there are none."""
        texts = sorted({row["label"] for row in rows if isinstance(row.get("label"), str)}, key=str.casefold)
        return cls(tuple(texts), tuple(rows[:_PROBES]) if texts else ())


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to pass a label to a template: `value` maps a label and a row's choices to what the template gets, or None.

    A way fits if the right choice has the label's text (`by_text`), or if it changes with the label (`by_change`).
    """

    value: Callable[[str, Sequence[str]], str | int | None]
    by_text: bool
    by_change: bool


@dataclass(frozen=True, slots=True)
class _Trial:
    """The result of trying a way: how many probes gave a group, whether it fits, and the error that stopped it."""

    groups: int
    fits: bool
    error: InputError | None = None


def fitted_labels(template: Template, rows: Sequence[Row], labels: Labels) -> tuple[list[Row | None], str]:
    """Return rows with labels in the form the template needs, and a note if this was a guess.

    Four forms are tried. The text itself, or the choice with the same text ("Lost card" for "lost_card"), suits
    templates that compare or print labels. The place of that choice suits templates that index choices. If no choice
    has the text of a label, the fourth form is the label's place among all labels, if there are as many as choices. Of
    the forms that fit, the one with the most groups is used; ties go to the first. Rows whose label is not among their
    choices become None.

    Raises:
        InputError: the template does not fit the rows, or does not show which choice is right.

    """
    if not labels.texts or "label" not in template.variables:
        return list(rows), ""
    choices = [template.choices(row) for row in labels.probes]
    named = [text for text in labels.texts if any(_place(text, each) is not None for each in choices)]
    order = {text: place for place, text in enumerate(labels.texts)}
    ways = [_Way(lambda text, _: text, by_text=True, by_change=True)]
    counted = _Way(lambda text, each: order[text] if len(each) == len(order) else None, False, True)
    if not named:
        ways.append(counted)
    elif len(named) == len(order) or len(set(choices)) > 1:  # choices that never change must cover all labels
        ways.append(_Way(lambda text, each: None if (at := _place(text, each)) is None else each[at], True, False))
        ways.append(_Way(_place, by_text=True, by_change=False))
    trials = [_try(template, way, labels) for way in ways]
    best = max(range(len(ways)), key=lambda place: (trials[place].fits, trials[place].groups))
    if not trials[best].fits:
        # The first way fails on any template that indexes choices, so its error says nothing about the template.
        stopped = trials[-1].error if len(ways) > 1 else None
        raise stopped or InputError(_reason(labels.texts, len(named) == len(order), trials[best].groups))
    if best == 0:  # labels are used unchanged; choices need not be rendered
        return list(rows), ""
    return [_with_label(template, row, ways[best]) for row in rows], _note(order) if ways[best] is counted else ""


def _try(template: Template, way: _Way, labels: Labels) -> _Trial:
    """Render the probes with their own labels and with other labels."""
    groups, texts, change = 0, True, False
    for row in labels.probes:
        try:
            own = _right(template, row, way)
        except InputError as error:
            return _Trial(0, False, error)
        if own is None:
            continue
        groups += 1
        texts = texts and _key(row["label"]) in own
        change = change or any(_changes(template, row, way, own, text) for text in labels.texts[:_OTHERS])
    return _Trial(groups, groups > 0 and ((way.by_text and texts) or (way.by_change and change)))


def _changes(template: Template, row: Row, way: _Way, own: frozenset[str], text: str) -> bool:
    """Tell whether the right answer changes from `own` if the row's label is `text`."""
    try:
        other = _right(template, {**row, "label": text}, way)
    except InputError:
        return False
    return other is not None and other != own


def _right(template: Template, row: Row, way: _Way) -> frozenset[str] | None:
    """Return the right choices of a row, normalised; None if it gives no group."""
    given = _with_label(template, row, way)
    rendering = template.render(given) if given else None
    group = choice_group(rendered_example(rendering, "", template.name)) if rendering else None
    return frozenset(_key(one.text) for one in group.candidates if one.label) if group else None


def _with_label(template: Template, row: Row, way: _Way) -> Row | None:
    value = way.value(row["label"], template.choices(row))
    return None if value is None else {**row, "label": value}


def _place(text: str, choices: Sequence[str]) -> int | None:
    """Return the place of the only choice with a label's text; identical choices count once."""
    if text in choices:
        return choices.index(text)
    same = dict.fromkeys(choice for choice in choices if _key(choice) == _key(text))
    return choices.index(next(iter(same))) if len(same) == 1 else None


def _key(text: str) -> str:
    """Normalise a label or choice for comparison: "card_arrival" equals "Card arrival"."""
    return normalise(text.replace("_", " "))


def _note(order: dict[str, int]) -> str:
    shown = ", ".join(f"{text!r} {place}" for text, place in list(order.items())[:_SHOWN])
    more = f" and so on up to {len(order) - 1}" if len(order) > _SHOWN else ""
    return f"its labels are not among the choices; templates that index choices got alphabetical numbers: {shown}{more}"


def _reason(texts: Sequence[str], named: bool, groups: int) -> str:
    if named and not groups:
        return "no row gives a group of choices with a right one among them"
    if named:
        return (
            "the right choice is not the one with the label's text; write labels as the template compares them, or as "
            "the numbers of its choices"
        )
    shown = ", ".join(map(repr, texts[:_SHOWN])) + (", …" if len(texts) > _SHOWN else "")
    return f"it does not show what the labels {shown} mean; write them like its choices, or as numbers from 0"
