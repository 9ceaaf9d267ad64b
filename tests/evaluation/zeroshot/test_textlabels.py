"""Labels written as texts: what ends up right must be what the file says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cappy.data.promptsource import Template
from cappy.evaluation.zeroshot.rendering import RenderedTask, render_task
from cappy.evaluation.zeroshot.run import Questions, evaluate_task
from cappy.evaluation.zeroshot.tasks import own_task
from cappy.evaluation.zeroshot.textlabels import text_labels
from tests.evaluation.zeroshot.test_zeroshot import Constant

COUNTS = "{{text}} ||| {{answer_choices[label]}}"
WRITES = "{{text}} ||| {{label}}"
COMPARES = "{{text}} ||| {% if label == 'entails' %}yes{% else %}no{% endif %}"
KNOWS_NUMBERS = "{{text}} ||| {% if label == 0 %}yes{% else %}no{% endif %}"


def rendered(jinja: str, choices: str, labels: list[str], every: list[str] | None = None) -> RenderedTask:
    rows = [{"text": f"text {number}", "label": label} for number, label in enumerate(labels)]
    template = Template("t", jinja, choices, True)
    (part,) = render_task([template], "own", rows, sorted(every or set(labels), key=str.casefold))
    return part


def right(part: RenderedTask) -> list[str]:
    return [next(one.text for one in group.candidates if one.label) for group in part.groups]


@pytest.mark.parametrize("jinja", [COUNTS, WRITES])
def test_labels_that_are_choices_are_right_wherever_these_stand(jinja: str) -> None:
    part = rendered(jinja, "billing ||| refund ||| shipping", ["shipping", "billing", "shipping"])
    assert right(part) == ["shipping", "billing", "shipping"]
    assert not part.note
    assert right(rendered(jinja, "refund ||| billing", ["billing", "refund"])) == ["billing", "refund"]
    assert right(rendered(jinja, "refund ||| billing", ["billing"])) == ["billing"]


def test_names_of_classes_are_the_words_of_choices() -> None:
    part = rendered(COUNTS, "Lost card ||| Card arrival", ["card_arrival", "lost_card", "card_arrival"])
    assert right(part) == ["Card arrival", "Lost card", "Card arrival"]


def test_each_row_may_have_choices_of_its_own() -> None:
    rows = [
        {"text": "a", "label": "cat", "options": ["dog", "cat"]},
        {"text": "b", "label": "cow", "options": ["cow", "cat"]},
    ]
    template = Template("t", COUNTS, "{{options | join('|||')}}", True)
    (part,) = render_task([template], "own", rows, text_labels(rows))
    assert right(part) == ["cat", "cow"]


def test_templates_that_compare_texts_get_them() -> None:
    part = rendered(COMPARES, "yes ||| no", ["entails", "neutral", "entails"])
    assert right(part) == ["yes", "no", "yes"]
    assert not part.note


@pytest.mark.parametrize("jinja", [COUNTS, KNOWS_NUMBERS])
def test_other_labels_are_counted_in_their_order_and_the_report_says_so(jinja: str) -> None:
    part = rendered(jinja, "yes ||| no", ["pro", "Con", "con "][:2])
    assert right(part) == ["no", "yes"]
    assert part.note == "template 't' counts choices, and labels got their numbers in order: 'Con' 0, 'pro' 1"


def test_the_order_is_that_of_all_rows_and_not_of_those_drawn() -> None:
    part = rendered(COUNTS, "x ||| y ||| z", ["c", "b"], every=["a", "b", "c"])
    assert right(part) == ["z", "y"]


@pytest.mark.parametrize(
    ("jinja", "choices", "labels"),
    [
        (COUNTS, "yes ||| no ||| maybe", ["pro", "con"]),  # a class may be missing, and nobody knows which
        (COUNTS, "yes ||| no", ["pro"]),
        (KNOWS_NUMBERS, "yes ||| no", ["pro"]),
        (COMPARES, "yes ||| no", ["Entails", "Neutral"]),  # the same answer for all
        (COUNTS, "pro ||| no", ["pro", "con"]),  # one is a choice, the other none
        (COUNTS, "pro! ||| pro", ["pro", "con"]),
    ],
)
def test_what_cannot_be_known_is_not_measured(jinja: str, choices: str, labels: list[str]) -> None:
    part = rendered(jinja, choices, labels)
    assert not part.groups
    assert "do not tell what the labels" in part.skipped


def test_a_template_that_asks_the_opposite_is_taken_at_its_word() -> None:
    opposite = "{{text}} ||| {% if label == 'pro' %}con{% else %}pro{% endif %}"
    assert right(rendered(opposite, "pro ||| con", ["pro", "con"])) == ["con", "pro"]


def test_a_file_of_texts_is_measured_by_its_texts(tmp_path: Path) -> None:
    rows = [{"text": f"ticket {number}", "label": ("shipping", "billing")[number % 2]} for number in range(8)]
    (tmp_path / "tickets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "templates.yaml").write_text(
        "templates: {1: !Template {name: t, jinja: '{{text}} ||| {{answer_choices[label]}}', "
        "answer_choices: 'billing ||| refund ||| shipping', metadata: !TemplateMetadata {original_task: true}}}"
    )
    mine = own_task(tmp_path / "tickets.jsonl", str(tmp_path))
    found = evaluate_task(mine, Questions(None, None), Constant([0.0, 0.0, 1.0]))
    assert [one.answer for one in found.predictions] == ["shipping", "billing"] * 4
    assert [one.right for one in found.predictions] == [(2,), (0,)] * 4
