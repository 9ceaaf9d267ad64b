from __future__ import annotations

from pathlib import Path

import pytest

from cappy.data.negatives import choice_group
from cappy.data.promptsource import Rendering, Template, read_templates, rendered_example
from cappy.errors import InputError

YAML = """
dataset: toy
templates:
  1: !Template
    answer_choices: Yes ||| No
    id: 1
    jinja: 'Is "{{text}}" true? ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata
      original_task: true
    name: yes or no
    reference: ''
  2: !Template
    answer_choices: null
    jinja: '{% if label == 0 %}Say it ||| {{text}}{% endif %}'
    metadata: !TemplateMetadata
      original_task: false
    name: a generation
"""


@pytest.fixture
def templates(tmp_path: Path) -> list[Template]:
    (tmp_path / "templates.yaml").write_text(YAML)
    return read_templates(tmp_path)


def test_reads_and_renders(templates: list[Template]) -> None:
    generation, choice = templates
    assert choice.original_task
    assert not generation.original_task
    rendering = choice.render({"text": "water is wet", "label": 0})
    assert rendering is not None
    assert (rendering.prompt, rendering.references, rendering.choices) == (
        'Is "water is wet" true?',
        ("Yes",),
        ("Yes", "No"),
    )
    group = choice_group(rendered_example(rendering, "toy", "yes or no"))
    assert group is not None
    assert [(c.text, c.label, c.origin) for c in group.candidates] == [("Yes", 1, "reference"), ("No", 0, "choice")]


def test_a_template_may_skip_a_row(templates: list[Template]) -> None:
    assert templates[0].render({"text": "x", "label": 1}) is None


def test_a_separator_in_the_data_is_data(templates: list[Template]) -> None:
    rendering = templates[1].render({"text": "a ||| b", "label": 1})
    assert rendering is not None
    assert rendering.prompt == 'Is "a ||| b" true?'
    assert rendering.references == ("No",)


def test_a_missing_column_is_an_error_and_no_blank(templates: list[Template]) -> None:
    with pytest.raises(InputError, match="text"):
        templates[1].render({"label": 0})


def test_a_column_without_a_value_is_not_written_as_a_word(templates: list[Template]) -> None:
    with pytest.raises(InputError, match="null"):
        templates[1].render({"text": None, "label": 0})
    default = Template("t", "{{ text or 'nothing' }} {{ 0 }} ||| x", None, True).render({"text": None})
    assert default is not None
    assert default.prompt == "nothing 0"


def test_choices_of_the_row(tmp_path: Path) -> None:
    template = Template("t", "{{q}} ||| {{answer_choices[answer]}}", "{{options | join('|||')}}", True)
    rendering = template.render({"q": "which?", "options": ["a b", "c"], "answer": 1})
    assert rendering is not None
    assert rendering.choices == ("a b", "c")
    assert rendering.references == ("c",)


def test_a_choice_written_twice_is_one_and_look_alikes_are_refused(tmp_path: Path) -> None:
    twice = Rendering("?", ("b",), ("a", "b", "a"))
    group = choice_group(rendered_example(twice, "task", "template"))
    assert group is not None
    assert [(c.text, c.label) for c in group.candidates] == [("a", 0.0), ("b", 1.0)]
    assert choice_group(rendered_example(Rendering("?", ("5",), ("5", "-5")), "", "")) is None


def test_two_templates_of_one_name_are_refused(tmp_path: Path) -> None:
    entry = "!Template {name: same, jinja: 'a ||| b', answer_choices: null, metadata: {}}"
    (tmp_path / "templates.yaml").write_text(f"templates: {{1: {entry}, 2: {entry}}}")
    with pytest.raises(InputError, match="two templates are called 'same'"):
        read_templates(tmp_path)


def test_templates_run_in_a_sandbox() -> None:
    template = Template("evil", "{{ ''.__class__.__mro__ }} ||| x", None, True)
    with pytest.raises(InputError, match="evil"):
        template.render({})


@pytest.mark.parametrize("content", ["", "templates: 3", "templates: {1: !!python/object/apply:os.getcwd []}", "{"])
def test_files_that_are_no_templates(tmp_path: Path, content: str) -> None:
    (tmp_path / "templates.yaml").write_text(content)
    with pytest.raises(InputError, match="template"):
        read_templates(tmp_path)
