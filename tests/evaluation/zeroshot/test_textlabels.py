"""Labels written as texts: what ends up right must be what the file says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from cappy.data.promptsource import Template
from cappy.evaluation.zeroshot.rendering import RenderedTask, render_task
from cappy.evaluation.zeroshot.run import Questions, evaluate_task
from cappy.evaluation.zeroshot.tasks import own_task
from cappy.evaluation.zeroshot.textlabels import Labels
from tests.evaluation.zeroshot.test_zeroshot import Constant

COUNTS = "{{text}} ||| {{answer_choices[label]}}"
WRITES = "{{text}} ||| {{label}}"
COMPARES = "{{text}} ||| {% if label == 'entails' %}yes{% else %}no{% endif %}"
KNOWS_NUMBERS = "{{text}} ||| {% if label == 0 %}yes{% else %}no{% endif %}"


def rendered(jinja: str, choices: str, labels: list[str], every: Sequence[str] = ()) -> RenderedTask:
    rows = [{"text": f"text {number}", "label": label} for number, label in enumerate(labels)]
    template = Template("t", jinja, choices, True)
    (part,) = render_task(
        [template], "own", rows, Labels.of([*rows, *({"text": "more", "label": one} for one in every)])
    )
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
    (part,) = render_task([template], "own", rows, Labels.of(rows))
    assert right(part) == ["cat", "cow"]


def test_templates_that_compare_texts_get_them() -> None:
    part = rendered(COMPARES, "yes ||| no", ["entails", "neutral", "entails"])
    assert right(part) == ["yes", "no", "yes"]
    assert not part.note


@pytest.mark.parametrize("jinja", [COUNTS, KNOWS_NUMBERS])
def test_other_labels_are_counted_in_their_order_and_the_report_says_so(jinja: str) -> None:
    part = rendered(jinja, "yes ||| no", ["pro", "Con"])
    assert right(part) == ["no", "yes"]
    assert part.note.endswith("index choices got alphabetical numbers: 'Con' 0, 'pro' 1")


def test_the_order_is_that_of_all_rows_and_not_of_those_drawn() -> None:
    part = rendered(COUNTS, "x ||| y ||| z", ["c", "b"], every=["a", "b", "c"])
    assert right(part) == ["z", "y"]


MEANING, CHOICE, GROUP = "does not show what the labels", "the right choice is not the one", "no row gives a group"


@pytest.mark.parametrize(
    ("jinja", "choices", "labels", "reason"),
    [
        (COUNTS, "yes ||| no ||| maybe", ["pro", "con"], MEANING),  # a class may be missing, and nobody knows which
        (COUNTS, "yes ||| no", ["pro"], MEANING),
        (KNOWS_NUMBERS, "yes ||| no", ["pro"], MEANING),
        (COMPARES, "yes ||| no", ["Entails", "Neutral"], MEANING),  # the same answer for all
        (COUNTS, "pro ||| no", ["con", "con"], MEANING),
        (COUNTS, "pro ||| no", ["pro", "con"], MEANING),  # one is a choice, the other none
        ("{{text}} ||| {% if label == 1 %}yes{% else %}no{% endif %}", "yes ||| no", ["yes", "no"], CHOICE),
        ("{{text}} ||| {{answer_choices[label - 1]}}", "a ||| b ||| c", ["a", "c"], CHOICE),
        (COUNTS, "C ||| C++ ||| C#", ["C", "C++"], GROUP),  # a scorer could tell them apart, the check cannot
        ("{{body}} ||| {{answer_choices[label]}}", "ham ||| spam", ["spam", "ham"], "'body' is undefined"),
    ],
)
def test_what_cannot_be_known_is_not_measured(jinja: str, choices: str, labels: list[str], reason: str) -> None:
    part = rendered(jinja, choices, labels)
    assert not part.groups
    assert reason in part.skipped


@pytest.mark.parametrize("compared", ["0", "'Sol1'"])
def test_answers_that_change_with_the_row_alone_do_not_tell_a_label(compared: str) -> None:
    rows = [{"goal": f"goal {n}", "a": f"do {n}", "b": f"be {n}", "label": f"sol{1 + n % 2}"} for n in range(8)]
    jinja = f"{{{{goal}}}} ||| {{% if label == {compared} %}}{{{{a}}}}{{% else %}}{{{{b}}}}{{% endif %}}"
    (part,) = render_task([Template("t", jinja, "{{a}} ||| {{b}}", True)], "own", rows, Labels.of(rows))
    if compared == "0":
        assert right(part) == [f"{'do be'.split()[n % 2]} {n}" for n in range(8)]
        assert "'sol1' 0, 'sol2' 1" in part.note
    else:
        assert not part.groups


@pytest.mark.parametrize("jinja", [COUNTS, WRITES])
def test_no_row_is_lost_for_an_underscore(jinja: str) -> None:
    part = rendered(jinja, "Lost card ||| refund", ["lost_card"] * 3 + ["refund"])
    assert right(part) == ["Lost card"] * 3 + ["refund"]
    assert part.lost == 0


def test_choices_that_stand_twice_count_once() -> None:
    assert right(rendered(COUNTS, "spam ||| ham ||| spam", ["ham", "spam"])) == ["ham", "spam"]


def test_a_label_that_the_template_does_not_ask_for_is_left_alone() -> None:
    rows = [{"text": "a", "label": "easy", "answer": 1}, {"text": "b", "label": "hard", "answer": 1}]
    template = Template("t", "{{text}} ||| {{answer_choices[answer]}}", "no ||| yes", True)
    (part,) = render_task([template], "own", rows, Labels.of(rows))
    assert right(part) == ["yes", "yes"]


def test_what_labels_mean_does_not_depend_on_the_rows_drawn() -> None:
    part = rendered(COMPARES, "yes ||| no", ["neutral"], every=["entails", "contradicts"])
    assert right(part) == ["no"]


def test_a_row_whose_label_is_none_of_its_own_choices_is_counted_as_lost() -> None:
    rows = [
        {"text": "a", "label": "cat", "options": ["dog", "cat"]},
        {"text": "b", "label": "cow", "options": ["hen", "cat"]},
    ]
    (part,) = render_task([Template("t", COUNTS, "{{options | join('|||')}}", True)], "own", rows, Labels.of(rows))
    assert (right(part), part.rows, part.lost) == (["cat"], (0,), 1)


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
