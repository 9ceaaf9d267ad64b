"""What the experiments on training compute with: which groups a variant is trained on, and what is measured."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from cappy.errors import InputError
from cappy.group import Candidate, Group
from cappy.training.recipes import Statements

SCRIPTS = Path(__file__).parent.parent / "scripts" / "experiments"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def closed(number: int, task: str = "colours") -> Group:
    right = number % 2
    choices = [Candidate(text, float(place == right), "choice") for place, text in enumerate(("red", "blue"))]
    return Group(f"What colour is {number}?", choices, task, "one")


def sampled(number: int) -> Group:
    texts = [
        ("yes", 1.0, "reference"),
        ("no", 0.0, "other"),
        ("yes and no", 0.5, "sample:one"),
        ("", 0.1, "sample:one"),
    ]
    return Group(f"Say {number}.", [Candidate(*text) for text in texts], "open", "one")


def test_few_open_groups_take_the_place_of_all(script: Any) -> None:
    choices = script("choices")
    lent = [choices.without_samples(sampled(number)) for number in range(5)]
    assert {one.origin for group in lent for one in group.candidates} == {"reference", "other"}
    found = choices.with_few_open([closed(0), *lent, closed(1)], [sampled(10), sampled(11)])
    assert found == [closed(0), closed(1), *(sampled(number) for number in (10, 11, 10, 11, 10))]
    with pytest.raises(InputError, match="no groups to put"):
        choices.with_few_open(lent, [])


def test_a_task_is_capped(script: Any) -> None:
    choices = script("choices")
    many = [closed(number) for number in range(choices.TASK_CAP + 50)]
    few = [closed(number, "shapes") for number in range(3)]
    found = choices.by_task(choices.balanced([*many, *few]))
    assert len(found["colours"]) == choices.TASK_CAP
    assert sorted(one.instruction for one in found["shapes"]) == sorted(one.instruction for one in few)


def test_samples_alone_are_chosen_from(script: Any) -> None:
    kept = script("choosing_samples").samples_alone(sampled(0))
    assert [one.label for one in kept.candidates] == [0.5, 0.1]


def test_means_are_of_the_other_half(script: Any) -> None:
    measured = script("batch_calibration")
    draw = np.random.default_rng(3)
    right = np.eye(3, dtype=bool)[draw.integers(3, size=41)]
    scores = draw.normal(size=(41, 3)) + right
    scores[3] = scores[3].mean()  # all alike
    for share, texts in ((0.0, None), (0.5, None), (1.0, 4)):
        expected = []
        for row in range(41):
            other = [k for k in range(41) if (k < 20) != (row < 20)][:texts]
            adjusted = [scores[row][c] - share * sum(scores[k][c] for k in other) / (len(other) + 1) for c in range(3)]
            best = [c for c in range(3) if np.isclose(adjusted[c], max(adjusted))]
            expected.append(sum(right[row][c] for c in best) / len(best))
        assert measured.hits(scores, right, share, texts) == pytest.approx(expected)


def test_parts_have_one_template_and_the_same_choices(script: Any) -> None:
    measured = script("batch_calibration")
    groups = [closed(number) for number in range(measured.LEAST)]
    turned = [replace(one, candidates=one.candidates[::-1]) for one in groups[:10]]
    alone = replace(closed(0), template="two")
    scores = [np.array([number, -1.0], dtype=np.float32) for number in range(len(groups))]
    parts = measured.by_choices([*turned, *groups[10:], alone], [*scores, scores[0]])
    ((values, right),) = parts["colours"]
    assert values[:10].tolist() == [[number, -1.0] for number in range(10)]  # blue, red: already in this order
    assert values[10:].tolist() == [[-1.0, number] for number in range(10, len(groups))]
    assert right.tolist() == [[number % 2 == 1, number % 2 == 0] for number in range(len(groups))]


def test_statements_by_kind_are_made_of_held_out_texts(script: Any) -> None:
    kinds = script("statement_kinds")
    told = [
        f"Report {number} came from Linz in 1951. It was written by Anna Weber, who had sold {number} boats there. "
        f"The harbour of Graz was closed for {number} days after the storm. Nobody was hurt by it."
        for number in range(12)
    ]
    groups = [
        Group(f"{text}\n\nWho had sold {number} boats?", closed_answers(), "quoref", "t")
        for number, text in enumerate(told)
    ]
    found = kinds.groups_by_kind(groups[:2], groups, Statements(groups=60, embedded=0.2), 7, 0)
    assert found.keys() == {"questions", "under verbs", "passages"}
    assert {len(members) for members in found.values()} == {7}
    for members in found.values():
        assert not any(f"Report {number} " in one.instruction for number in (0, 1) for one in members)


def closed_answers() -> tuple[Candidate, ...]:
    return (Candidate("Anna Weber", 1.0, "reference"), Candidate("Karl Moser", 0.0, "other"))
