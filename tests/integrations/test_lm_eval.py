"""lm-evaluation-harness: a multiple-choice task of its own format, run on Cappy by its library and its command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cappy

lm_eval = pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: make test-neighbours")
ASKED = "{text} Is this review positive or negative?"
CHOICES = ["positive", "negative"]
REVIEWS = [("A warm, funny film.", 0), ("The soup was cold.", 1), ("Never again.", 1), ("A lovely evening.", 1)]
ROWS = [{"q": ASKED.format(text=text), "a": CHOICES, "y": label} for text, label in REVIEWS]
TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
output_type: {kind}
doc_to_text: "{{{{q}}}}"
doc_to_choice: a
doc_to_target: y
metric_list: [{{metric: acc}}, {{metric: brier_score}}]
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tasks over rows in a file, as anybody may write them."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(map(json.dumps, ROWS)))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.yaml").write_text(TASK.format(name="mine", rows=rows, kind="multiple_choice"))
    return tmp_path / "tasks"


def right(scorer: cappy.Scorer) -> float:
    ranked = [scorer.rank(row["q"], row["a"]).best.index == row["y"] for row in ROWS]
    return sum(ranked) / len(ranked)


def test_a_task_is_answered_by_score(scorer: cappy.Scorer, tasks: Path) -> None:
    from lm_eval.tasks import TaskManager

    from cappy.integrations.lm_eval import CappyLM

    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    found: Any = lm_eval.simple_evaluate(CappyLM(scorer=scorer), tasks=["mine"], task_manager=manager)
    result = found["results"]["mine"]
    assert result["acc,none"] == right(scorer) >= 0.5
    first = found["samples"]["mine"][0]["filtered_resps"]
    expected = scorer.score(ROWS[0]["q"], ROWS[0]["a"]) / scorer.temperature
    assert [logit for logit, _ in first] == pytest.approx(expected.tolist(), abs=1e-4)
    assert 0 <= result["brier_score,none"] <= 2


def test_what_a_scorer_cannot_do_is_refused(scorer: cappy.Scorer) -> None:
    from cappy.integrations.lm_eval import CappyLM

    model = CappyLM(scorer=scorer)
    for ask in (model.generate_until, model.loglikelihood_rolling):
        with pytest.raises(cappy.InputError, match="multiple_choice"):
            ask([])
    assert model.loglikelihood([]) == []


def test_the_command_knows_the_model(scorer: cappy.Scorer, tasks: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "cappy.integrations.lm_eval",
        "run",
        "--model",
        "cappy",
        "--model_args",
        "model=mini",
    ]
    command += ["--tasks", "mine", "--include_path", str(tasks), "--output_path", str(tmp_path / "out")]
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    (written,) = (tmp_path / "out").rglob("results_*.json")
    assert json.loads(written.read_text())["results"]["mine"]["acc,none"] == right(scorer)
