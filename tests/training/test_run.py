"""A recipe, trained for real on a tiny encoder: it learns, and what it saves loads."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cappy
from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.data.store import write_groups
from cappy.errors import InputError
from cappy.group import Candidate, Group
from cappy.layout.encode import Conventions
from cappy.training.encoding import encode_texts
from cappy.training.recipes import Continuations, Similarity, Statements
from cappy.training.run import RunOptions, train
from cappy.training.texts import read_texts
from cappy.training.trainer import Budget
from tests.training.toy import RECIPE, run


def test_training_learns_and_its_checkpoint_loads(data: Path, bert: Path, tmp_path: Path) -> None:
    folder = run(data, tmp_path / "run", bert, 400)
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["development"]["accuracy"] > 0.9
    assert facts["progress"]["step"] == 400
    scorer = cappy.load(folder)
    assert scorer.layout == "shared"
    assert scorer.rank("the film 77 is great good or bad ?", ["bad", "good"]).best.text == "good"
    assert scorer.rank("the colour of 5 is green . what is it ?", ["red", "green"]).best.text == "green"


def test_training_on_ready_made_groups(bert: Path, tmp_path: Path) -> None:
    colours = ["red", "blue", "green"]
    groups = [
        Group(
            f"the colour of {i} is {colours[i % 3]} . what is it ?",
            tuple(Candidate(c, float(c == colours[i % 3]), "choice") for c in colours),
            "colours",
        )
        for i in range(300)
    ]
    write_groups(tmp_path / "mine.jsonl", groups, {})
    options = RunOptions(
        None, tmp_path / "run", str(bert), Budget(steps=400), threads=1, groups=tmp_path / "mine.jsonl"
    )
    scorer = cappy.load(train(RECIPE, options))
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["development"]["by_task"] == {"colours": facts["development"]["accuracy"]}
    assert facts["development"]["accuracy"] > 0.9
    assert facts["development"]["groups"] + facts["groups_by_task"]["colours"] == 300
    assert "mine.jsonl" in (scorer.checkpoint.folder / "README.md").read_text()
    with pytest.raises(InputError, match="--groups"):
        train(RECIPE, dataclasses.replace(options, groups=None, output=tmp_path / "none"))
    write_groups(tmp_path / "few.jsonl", groups[:2], {})
    with pytest.raises(InputError, match="both are needed"):
        train(RECIPE, dataclasses.replace(options, groups=tmp_path / "few.jsonl", output=tmp_path / "few"))


def test_similarity_groups_join_the_others(bert: Path, tmp_path: Path) -> None:
    things = ("umbrella", "lantern", "kettle", "saddle", "barrel", "pillow", "basket", "ladder", "mirror", "helmet")
    groups = [
        Group(
            f"a {things[i % 10]} and a {things[i // 10]} were sold to {i} people",
            (Candidate("yes", float(i % 2)), Candidate("no", float(1 - i % 2))),
            "sales",
        )
        for i in range(100)
    ]
    write_groups(tmp_path / "mine.jsonl", groups, {})
    recipe = dataclasses.replace(RECIPE, similarity=Similarity(groups=20, phrases=40, candidates=3), held_out=0.2)
    options = RunOptions(None, tmp_path / "run", str(bert), Budget(steps=1), threads=1, groups=tmp_path / "mine.jsonl")
    card = (train(recipe, options) / "README.md").read_text()
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["groups_by_task"]["similarity"] == 20
    assert facts["made"]["similarity"]["groups"] == 4  # the recipe's share of 20, from texts of held-out groups
    assert "similarity" not in facts["development"]["by_task"]
    assert "20 of 3 phrases" in card


def test_statements_and_continuations_join_the_others(bert: Path, tmp_path: Path) -> None:
    names = ["Anna", "Peter", "Maria", "John", "Laura", "David"]
    places = ["Berlin", "London", "Paris", "Vienna", "Madrid"]
    groups = [
        Group(
            f"{names[i % 6]} moved to {places[i % 5]} in {1900 + i} with two brothers . "
            f"The old house near the river {i} was sold to a teacher . It was later opened as school {i} . "
            f"Many of the {i} children came from {places[(i + 1) % 5]} every week .\n\nWho moved?",
            (Candidate(names[i % 6], 1.0, "reference"), Candidate(names[(i + 1) % 6], 0.0)),
            "moves",
        )
        for i in range(120)
    ]
    write_groups(tmp_path / "mine.jsonl", groups, {})
    recipe = dataclasses.replace(
        RECIPE,
        statements=Statements(groups=60),  # of 256 tokens, more than this encoder takes
        continuations=Continuations(groups=40),
        held_out=0.2,
    )
    options = RunOptions(None, tmp_path / "run", str(bert), Budget(steps=2), threads=1, groups=tmp_path / "mine.jsonl")
    card = (train(recipe, options) / "README.md").read_text()
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    for task in ("statements", "continuations"):
        assert facts["groups_by_task"][task] > 10
        assert facts["made"][task]["groups"] > 0
        assert f"| {task} | {facts['groups_by_task'][task]} groups made" in card
    assert "statements" not in facts["development"]["by_task"]


def test_a_share_of_joint_batches_trains_both_layouts(data: Path, bert: Path, tmp_path: Path) -> None:
    folder = run(data, tmp_path / "run", bert, 400, dataclasses.replace(RECIPE, joint=0.5))
    for layout in ("shared", "joint"):
        scorer = cappy.load(folder, layout=layout)
        assert scorer.rank("the film 77 is great good or bad ?", ["bad", "good"]).best.text == "good"
    assert "50% of the rows' groups" in (folder / "README.md").read_text()


def test_joint_groups_are_a_share_of_the_training_groups_alone(data: Path, bert: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(bert)
    conventions = Conventions.of(checkpoint.spec, "shared", 1, 2)
    recipe = dataclasses.replace(RECIPE, joint=0.5, held_out=0.2)
    texts = read_texts(recipe, str(bert), 0, data=data, groups=None, against=None)
    encoded = encode_texts(texts.placed(), recipe, checkpoint.tokenizer, conventions, 96, 0, tmp_path / "tokens")
    share = np.mean([group.shared for group in encoded.training])
    assert 0.4 < share < 0.6
    assert all(group.shared for group in encoded.development)


def test_wrong_answers_and_losses_of_a_recipe_reach_its_run(bert: Path, tmp_path: Path) -> None:
    """Each choice gives other weights than the plain recipe, and the card tells of it."""
    titles = [
        {"template": "xsum_t", "instruction": f"title of story {i} ?", "response": f"{i} days"} for i in range(60)
    ]
    quiz = [
        {"template": "qasc_t", "instruction": f"what is {i} ?\n- {i} a\n- {i} b", "response": f"{i} {'ab'[i % 2]}"}
        for i in range(60)
    ]
    pq.write_table(pa.Table.from_pylist([*titles, *quiz]), tmp_path / "rendered.parquet")
    plain = dataclasses.replace(RECIPE, sources=(), held_out=0.2)
    choices = {"hard": 3, "response_only_negatives": 1.0, "pairwise": 0.3}
    said = {
        "hard": "3 of the 5",
        "response_only_negatives": "in up to 100% of groups",
        "pairwise": "0.3 × pairwise logistic loss",
    }
    options = RunOptions(tmp_path, tmp_path / "plain", str(bert), Budget(steps=3), threads=1)
    first = (train(plain, options) / "model.safetensors").read_bytes()
    for name, value in choices.items():
        changed = dataclasses.replace(plain, **{name: value})
        done = train(changed, dataclasses.replace(options, output=tmp_path / name))
        assert (done / "model.safetensors").read_bytes() != first, name
        assert said[name] in (done / "README.md").read_text()
    with pytest.raises(InputError, match="must not be above wrong"):
        dataclasses.replace(plain, hard=6)


def test_an_average_says_what_it_is(data: Path, bert: Path, tmp_path: Path) -> None:
    second = run(data, tmp_path / "second", bert, 5)
    script = Path(__file__).parents[2] / "scripts" / "averaging.py"
    command = [
        sys.executable,
        str(script),
        str(bert),
        str(second),
        "--shares",
        "0.25",
        "--keep",
        str(tmp_path / "mean"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    folder = tmp_path / "mean" / "checkpoint"
    card = (folder / "README.md").read_text()
    assert "0.25 times those of the run below plus 0.75 times those of tiny-bert" in card
    assert "Development split" not in card
    one, other, mean = (read_checkpoint(path).read_weights() for path in (bert, second, folder))
    for name, weights in mean.items():
        np.testing.assert_allclose(weights, 0.75 * one[name] + 0.25 * other[name], atol=2e-3)
    assert "temperature" in read_checkpoint(second).settings  # fitted to the run's own scores
    assert "temperature" not in read_checkpoint(folder).settings
    assert "development" not in json.loads((tmp_path / "mean" / "run.json").read_text())


def test_texts_of_evaluation_files_are_not_trained_on(data: Path, bert: Path, tmp_path: Path) -> None:
    seen = "the film 42 is terrible good or bad ?"
    (tmp_path / "eval.jsonl").write_text(json.dumps({"text": seen}))
    recipe = dataclasses.replace(RECIPE, held_out=0.2)
    for against, found in ((None, True), (tmp_path, False)):
        texts = read_texts(recipe, str(bert), 0, data=data, groups=None, against=against)
        asked = {group.instruction for group in texts.training}
        assert (seen in asked) == found
        assert "the film 43 is great good or bad ?" in asked | {group.instruction for group in texts.development}
