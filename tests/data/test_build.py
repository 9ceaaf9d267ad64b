"""Building stores: the same bytes however it is done, problems counted, and no kill loses or repeats anything."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cappy.data.build import build
from cappy.data.recipefile import BUNDLED, read_recipe
from cappy.data.store import read_groups
from cappy.errors import InputError

RECIPE = """
about: a toy
wrong: {near: 1, far: 2, hard: 1}
sources:
  - {rendered: rendered.jsonl, left_out: [dream]}
  - {table: mine.csv, columns: {instruction: question, response: answer}, task: own}
  - {data: toy.jsonl, templates: toy, task: toy}
"""
TEMPLATES = """
templates:
  1: !Template
    answer_choices: bad ||| good
    jinja: '{{text}} good or bad? ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {original_task: true}
    name: opinion
  2: !Template
    answer_choices: null
    jinja: 'Write about {{title}} ||| {{text}}'
    metadata: !TemplateMetadata {original_task: false}
    name: writing
  3: !Template
    answer_choices: null
    jinja: '{% if label %}What is {{title}}? ||| {{text}}{% endif %}'
    metadata: !TemplateMetadata {original_task: false}
    name: asking
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "promptsource_templates" / "toy").mkdir(parents=True)
    rows = [
        {
            "template": f"{task}_{kind}",
            "instruction": f"{task} {kind} asks {i}?",
            "response": f"answer {i % 25} of {task}",
        }
        for task in ("sciq", "dream", "xsum")
        for kind in ("a", "b")
        for i in range(60)
    ]
    (home / "rendered.jsonl").write_text("\n".join(json.dumps(row) for row in [*rows, {"template": "sciq_a"}]) + "\n{")
    table = "".join(f"what is {i} plus one?,{i + 1}\n" for i in range(40))
    (home / "mine.csv").write_text(f"question,answer\n{table}empty?,\n")
    toy = [{"text": f"film {i} is fine", "label": i % 2} | ({"title": f"film {i}"} if i else {}) for i in range(30)]
    (home / "toy.jsonl").write_text("\n".join(map(json.dumps, toy)))
    (home / "promptsource_templates" / "toy" / "templates.yaml").write_text(TEMPLATES)
    path = home / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_sources_become_groups_and_problems_are_counted(recipe: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    manifest = build(read_recipe(str(recipe)), tmp_path / "store", advance=seen.append)
    groups = list(read_groups(tmp_path / "store"))
    assert sum(seen) == manifest["groups"] == len(groups)
    # 240 rendered rows; 40 sums; 30 opinions, 29 texts (one row has no title), and 15 questions of rows labelled 1
    assert manifest["tasks"] == {"own": 40, "sciq": 120, "toy": 74, "xsum": 120}
    assert manifest["passed_over"] == {"toy/asking": 15}
    assert manifest["problems"] == {
        "broken row": 1,
        "empty answer": 1,
        "missing column": 1,
        "template 'writing' does not fit": 1,
    }
    assert manifest["problem_samples"]["empty answer"] == [["mine.csv:42", "no answer holds any text"]]
    assert manifest["problem_samples"]["broken row"][0][0] == "rendered.jsonl:362"
    for group in groups:
        assert [c.label for c in group.candidates].count(1.0) == 1
        assert sum(c.label == 0 for c in group.candidates) == (1 if group.template == "toy/opinion" else 4)
    assert sum(shard["groups"] for shard in manifest["shards"]) == len(groups)
    for shard in manifest["shards"]:
        content = (tmp_path / "store" / shard["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == shard["sha256"]


def test_the_number_of_workers_changes_nothing(recipe: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        build(read_recipe(str(recipe)), tmp_path / str(workers), workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_a_recipe_asks_for_suggested_wrong_answers(tmp_path: Path) -> None:
    told = "Anna met Peter in Berlin in 1912. They moved to Vienna with Maria."
    rows = [{"instruction": f"{told}\n\nQuestion {i}: where?", "response": "Berlin"} for i in range(40)]
    rows += [{"instruction": f"{told}\n\nQuestion {i}: when?", "response": "1912"} for i in range(40)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    counts = []
    for share in ("0", "0.5", "1"):
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(f"wrong: {{near: 1, far: 1, suggested: {share}}}\nsources: [{{table: mine.jsonl}}]")
        build(read_recipe(str(recipe)), tmp_path / share)
        groups = list(read_groups(tmp_path / share))
        counts.append(sum(any(one.origin == "suggested" for one in group.candidates) for group in groups))
    assert counts[0] == 0
    assert 25 < counts[1] < 55
    assert counts[2] == len(groups) > 70


def test_hard_answers_by_embedding_do_not_depend_on_workers(recipe: Path, tmp_path: Path, bert: Path) -> None:
    shutil.copytree(bert, recipe.parent / "encoder")
    by_words = build(read_recipe(str(recipe)), tmp_path / "words")
    recipe.write_text(RECIPE.replace("hard: 1", "hard: 1, hard_by: embedding, encoder: encoder"))
    for workers in (1, 2):
        manifest = build(read_recipe(str(recipe)), tmp_path / str(workers), workers)
        assert manifest["recipe"]["wrong"]["encoder"] == "encoder"
        assert manifest["groups"] == by_words["groups"]
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    chosen, others = (list(read_groups(tmp_path / name)) for name in ("1", "words"))
    assert chosen != others
    (recipe.parent / "encoder" / "model.safetensors").write_bytes(b"another")
    with pytest.raises(InputError, match="another recipe"):
        build(read_recipe(str(recipe)), tmp_path / "1")
    (recipe.parent / "encoder" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="not a sentence encoder"):
        read_recipe(str(recipe))


@pytest.mark.parametrize("times", [8, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_build_goes_on_without_losing_or_repeating_anything(recipe: Path, tmp_path: Path, times: int) -> None:
    home = recipe.parent
    lines = (home / "rendered.jsonl").read_text().splitlines()[:-2]
    tasks = (
        "sciq",
        "xsum",
        "qasc",
        "samsum",
        "gigaword",
        "quoref",
        "ropes",
        "quarel",
        "quartz",
        "wiqa",
        "duorc",
        "trec",
    )
    (home / "rendered.jsonl").write_text("\n".join(line.replace("sciq", task) for task in tasks * 5 for line in lines))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    build(read_recipe(str(recipe)), whole)
    draw = random.Random(0)
    command = [sys.executable, "-m", "cappy.cli.app", "data", "build", str(recipe), "-o", str(killed), "--workers", "2"]
    kills = 0
    while kills < times:
        process = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        wanted = len(list(killed.glob("shards/*.json"))) + draw.choice([0, 1, 1, 2])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if len(list(killed.glob("shards/*.json"))) >= wanted and killed.exists():
                break
            time.sleep(0.005)
        time.sleep(draw.random() * 0.05)
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)  # the workers too, whatever they are at
        process.wait()
        kills += 1
    assert kills == times
    subprocess.run(command, check=True, capture_output=True)
    assert contents(killed) == contents(whole)


def test_another_recipe_is_not_mixed_in(recipe: Path, tmp_path: Path) -> None:
    build(read_recipe(str(recipe)), tmp_path / "store")
    recipe.write_text(RECIPE.replace("far: 2", "far: 1"))
    with pytest.raises(InputError, match="another recipe"):
        build(read_recipe(str(recipe)), tmp_path / "store")


def test_fatal_problems_end_the_build(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(f"on_problem: fatal\n{RECIPE}")
    for workers in (1, 2):
        with pytest.raises(InputError, match=r"rendered\.jsonl:36\d"):
            build(read_recipe(str(recipe)), tmp_path / f"store{workers}", workers)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sources: []", "no sources"),
        ("- 1", "not a recipe"),
        ("{", "readable"),
        ("sources: [{rendered: a, colour: red}]", "colour"),
        ("sources: [{file: a}]", "rendered, table, judged, data or bigbench"),
        ("sources: [{table: a}]\nseeds: 3", "seeds"),
        ("sources: [{table: a}]\nwrong: {close: 3}", "close"),
        ("sources: [{table: a, columns: question}]", "columns cannot be 'question'"),
        ("sources: [{table: a, columns: {answer: b}}]", "source 1: columns has answer"),
        ("sources: [{rendered: a, rows: many}]", "source 1: rows cannot be 'many'"),
        ("sources: [{rendered: a, left_out: 5}]", "left_out cannot be 5"),
        ("sources: [{bigbench: navigate}]", "'navigate' is none of"),
        ("sources: [{data: a, rows: true}]", "rows cannot be True"),
        ("sources: [{table: a}]\nwrong: {hard: many}", "wrong: hard cannot be 'many'"),
        ("sources: [{table: a}]\nwrong: {hard: 1, hard_by: luck}", "words, embedding"),
        ("sources: [{table: a}]\non_problem: shrug", "on_problem"),
        ("sources: [{table: absent.csv}]", "absent.csv"),
        ("sources: [!!python/object/apply:os.getcwd []]", "readable"),
    ],
)
def test_recipes_that_are_not_understood(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        build(read_recipe(str(path)), tmp_path / "store")


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_recipes_are_understood(name: str, tmp_path: Path) -> None:
    plan = read_recipe(name, tmp_path)
    assert len(plan.sources) == (38 if name == "t0" else 1)
    assert len({source.name for source in plan.sources}) == len(plan.sources)
