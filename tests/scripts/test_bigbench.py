"""In-context learning and fine-tuning beside Cappy, on a task written here and a real language model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cappy.llm.gguf import GgufLLM

SCRIPTS = Path(__file__).parents[2] / "scripts" / "bigbench"
SMALL = ("--train", "5", "--validation", "2", "--plan", "beam2,sampling*2", "--max-tokens", "4", "--task", "tense")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bigbench")
    examples = [{"input": f"Say number {n}.", "target": f"number {n}"} for n in range(50)]
    (folder / "tense").mkdir()
    (folder / "tense" / "task.json").write_text(json.dumps({"examples": examples}))
    return folder


def experiment(name: str, tasks: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), "-o", str(output), "--source", str(tasks), *SMALL, *options]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_worked_examples_stand_before_the_prompt(smollm2: GgufLLM, tasks: Path, tmp_path: Path) -> None:
    done = experiment("in_context", tasks, tmp_path, "--shots", "2")
    assert done.returncode == 0, done.stderr
    for said in ("2 shots: smollm2 (chat) on tense, seed 0", "Cappy, adapted", "oracle", "command: python"):
        assert said in done.stdout
    result = json.loads((tmp_path / "2-shots" / "tasks" / "tense.json").read_text())
    assert result["worked_examples"] == 2


@pytest.mark.slow
def test_a_finetuned_model_learns_the_task(smollm2: GgufLLM, tasks: Path, tmp_path: Path) -> None:
    plain = experiment("plain", tasks, tmp_path)
    assert plain.returncode == 0, plain.stderr
    finetuned = experiment("finetuned", tasks, tmp_path, "--llm-examples", "24", "--epochs", "2")
    assert finetuned.returncode == 0, finetuned.stderr
    columns = [
        {line[:36].strip(): float(line[36:].split()[0]) for line in done.stdout.splitlines() if line.startswith("  ")}
        for done in (plain, finetuned)
    ]
    assert columns[1]["sampling"] > columns[0]["sampling"] + 20
