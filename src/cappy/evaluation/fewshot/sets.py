"""Sets of labelled texts, split into training and test texts."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.data.labelled_texts import guess_instruction, read_labelled
from cappy.errors import InputError

Ints = NDArray[np.int64]
HELD_OUT = 0.3
"""Share of a file's texts that are test texts if there is no test file."""


@dataclass(frozen=True, slots=True)
class SetPlan:
    """A requested set: files below a folder, their columns, the meaning of labels, and the instruction.

    `names`: the meaning of labels ("0": "negative"). `classes`: use this many classes, drawn by the seed.
    """

    train: str
    name: str = ""
    test: str = ""
    text: str | None = None
    label: str | None = None
    test_label: str | None = None
    names: Mapping[str, str] | None = None
    instruction: str | None = None
    classes: int | None = None


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Texts and their labels' places among `choices`; the first `train` are training texts, the rest test texts."""

    name: str
    texts: tuple[str, ...]
    targets: Ints
    train: int
    choices: tuple[str, ...]
    instruction: str

    def draw(self, count: int, seed: int) -> Ints:
        """Draw `count` training texts of every class, or all of a smaller class, and return their places."""
        draw = np.random.default_rng([seed, count])
        places = [
            draw.permutation(np.flatnonzero(self.targets[: self.train] == one))[:count]
            for one in range(len(self.choices))
        ]
        return np.concatenate(places).astype(np.int64)


def read_plans(path: Path) -> list[SetPlan]:
    """Read plans from a JSON list of objects with the fields of `SetPlan`; any other file is a set of its own.

    Raises:
        InputError: the list cannot be read.

    """
    if path.suffix != ".json":
        return [SetPlan(path.name)]
    known = {field.name for field in fields(SetPlan)}
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        plans = [SetPlan(**one) for one in listed]
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable JSON list of sets ({error}).") from error
    except TypeError as error:
        raise InputError(f"{path}: a set needs 'train' and may have {', '.join(sorted(known))} ({error}).") from error
    if not plans:
        raise InputError(f"{path} lists no sets.")
    return plans


def read_set(folder: Path, plan: SetPlan, most: int, test_rows: int, seed: int) -> LabelledSet:
    """Read a set with at most `most` training texts per class and at most `test_rows` test texts.

    Texts in both parts are removed from the training part.

    Raises:
        InputError: a file cannot be used.

    """
    draw = random.Random(f"{seed}:{plan.train}")
    rows = _pairs(folder / plan.train, plan.text, plan.label)
    draw.shuffle(rows)
    if plan.test:
        test = _pairs(folder / plan.test, plan.text, plan.test_label or plan.label)
        draw.shuffle(test)
    else:
        held = min(test_rows, round(HELD_OUT * len(rows)))
        test, rows = rows[:held], rows[held:]
    labels = sorted({label for _, label in rows})
    if plan.classes is not None:
        labels = sorted(draw.sample(labels, min(plan.classes, len(labels))))
    test = [pair for pair in test if pair[1] in labels][:test_rows]
    judged = {text for text, _ in test}
    by_label: dict[str, list[str]] = defaultdict(list)
    for text, label in rows:
        if text not in judged:
            by_label[label].append(text)
    kept = [(text, label) for label in labels for text in by_label[label][:most]]
    if len(labels) < 2 or not test or len({label for _, label in kept}) < len(labels):
        raise InputError(f"{plan.train}: there must be training texts of at least two labels, and test texts.")
    names = plan.names or {}
    choices = tuple(names.get(label, label.replace("_", " ")) for label in labels)
    place = {label: number for number, label in enumerate(labels)}
    return LabelledSet(
        plan.name or Path(plan.train).name.partition(".")[0],
        tuple(text for text, _ in (*kept, *test)),
        np.array([place[label] for _, label in (*kept, *test)], dtype=np.int64),
        len(kept),
        choices,
        plan.instruction or guess_instruction(plan.text or "text", plan.label or "label", choices),
    )


def _pairs(path: Path, text: str | None, label: str | None) -> list[tuple[str, str]]:
    found = read_labelled(path, text, label)
    if found.lists is not None:
        raise InputError(f"{path} has several labels per text; the comparison supports only one.")
    return list(dict(zip(found.texts, found.labels, strict=True)).items())


def sets_as_json(sets: Sequence[LabelledSet]) -> list[dict[str, Any]]:
    """Describe sets as plain values: name, number of classes, training and test texts, instruction."""
    return [
        {
            "name": one.name,
            "classes": len(one.choices),
            "train": one.train,
            "test": len(one.texts) - one.train,
            "instruction": one.instruction,
        }
        for one in sets
    ]
