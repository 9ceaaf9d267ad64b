from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from cappy.errors import InputError
from cappy.evaluation.report import zero_shot_table
from cappy.evaluation.tasks import TASKS, Task, find_tasks, render_task, task_rows
from cappy.evaluation.zeroshot import accuracy, cosine_scores, evaluate_task, majority_baseline
from cappy.group import Candidate, Group

TEMPLATES = """
templates:
  1: !Template
    answer_choices: no ||| yes
    jinja: 'Is {{text}} good? ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {original_task: true}
    name: good
  2: !Template
    answer_choices: no ||| yes
    jinja: '{{other_column}} ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {original_task: true}
    name: missing column
  3: !Template
    answer_choices: no ||| yes
    jinja: 'not the task {{text}} ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {original_task: false}
    name: other task
"""
TASK = Task("toy", "toy", "toy")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"text": f"thing {i}", "label": int(i % 3 == 0)} for i in range(9)]
    (tmp_path / "toy.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "templates.yaml").write_text(TEMPLATES)
    return tmp_path


def test_a_task_is_measured_under_its_original_templates(folder: Path) -> None:
    seen: list[str] = []

    def always_no(groups: list[Group]) -> list[list[float]]:
        seen.extend(group.instruction for group in groups)
        return [[1.0, 0.0] for _ in groups]

    result = evaluate_task(TASK, folder, folder, always_no)  # type: ignore[arg-type]
    assert [part.template for part in result.templates] == ["good"]
    assert result.mean == pytest.approx(6 / 9)
    assert result.majority == pytest.approx(6 / 9)
    assert result.chance == 0.5
    assert "missing column" in result.note
    assert seen == [f"Is thing {i} good?" for i in range(9)]
    assert "66.7" in zero_shot_table([result])


def test_a_limit_draws_rows_at_random_by_seed(folder: Path) -> None:
    seen: list[list[str]] = []

    def score(groups: list[Group]) -> list[list[float]]:
        seen.append([group.instruction for group in groups])
        return [[1.0, 0.0] for _ in groups]

    for seed in (0, 0, 1):
        evaluate_task(TASK, folder, folder, score, limit=4, seed=seed)  # type: ignore[arg-type]
    assert seen[0] == seen[1] != seen[2]
    assert len(set(seen[0])) == 4


def test_a_set_that_is_not_there_is_a_row_that_says_so(folder: Path) -> None:
    result = evaluate_task(Task("absent", "absent", "toy"), folder, folder, lambda groups: [])
    assert "absent" in result.note
    assert "| absent | 0 | —" in zero_shot_table([result])


def test_string_labels_are_numbered_as_hugging_face_does(tmp_path: Path) -> None:
    labels = ["receiving_money", "Refund_not_showing_up", "request_refund"]
    (tmp_path / "toy.jsonl").write_text("\n".join(json.dumps({"label": label}) for label in reversed(labels)))
    assert [row["label"] for row in task_rows(TASK, tmp_path) or []] == [2, 1, 0]


def test_task_names() -> None:
    assert find_tasks([]) == list(TASKS)
    assert find_tasks(["rte"])[0].file == "super_glue__rte"
    with pytest.raises(InputError, match="unknown"):
        find_tasks(["nothing"])


def test_rendering_counts_only_groups_with_a_right_choice(folder: Path) -> None:
    rendered = render_task(TASK, [{"text": "x", "label": 1}], folder)
    assert [len(part.groups) for part in rendered] == [1, 0]


def test_accuracy_and_majority_by_hand() -> None:
    groups = [
        Group("q", (Candidate("a", 1.0), Candidate("b", 0.0))),
        Group("q", (Candidate("a", 0.0), Candidate("b", 1.0))),
    ]
    assert accuracy(groups, [[0.9, 0.1], [0.9, 0.1]]) == 0.5
    assert majority_baseline([groups[0], groups[0], groups[1]]) == pytest.approx(2 / 3)


def test_cosine_scores_compare_with_the_instruction() -> None:
    vectors = {"q": [1.0, 0.0], "near": [0.8, 0.6], "far": [0.0, 1.0]}
    scores = cosine_scores(lambda texts: np.array([vectors[text] for text in texts]), [Group.of("q", ["near", "far"])])
    assert scores == [[pytest.approx(0.8), pytest.approx(0.0)]]
