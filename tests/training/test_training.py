"""A recipe, trained for real on a tiny encoder: it learns, it resumes exactly, and what it saves loads."""

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
import torch

import cappy
from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.data.store import write_groups
from cappy.errors import CheckpointError, InputError
from cappy.group import Candidate, Group
from cappy.layout import Conventions
from cappy.runtime.encoder_weights import starting_weights
from cappy.training import trainer as trainer_module
from cappy.training.batches import TrainingGroup, encode_groups, epoch_batches
from cappy.training.mixture import build_mixture
from cappy.training.prepare import encode_texts, read_texts
from cappy.training.recipes import MINI_T0, Continuations, Recipe, Similarity, Source, Statements, find_recipe
from cappy.training.run import RunOptions, train
from cappy.training.trainer import Budget, Trainer, learning_rate

TEMPLATES = """
templates:
  1: !Template
    answer_choices: bad ||| good
    jinja: '{{text}} good or bad ? ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {original_task: true}
    name: toy
"""
RECIPE = dataclasses.replace(
    MINI_T0,
    rendered="rendered.parquet",
    sources=(Source("toy", "toy", rows=200),),
    batch_tokens=400,
    learning_rate=2e-3,
    instruction_tokens=30,
    response_tokens=8,
    similarity=None,
    statements=None,
    continuations=None,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    colours = ["red", "blue", "green"]
    rows = [
        {
            "template": "qasc_toy",
            "instruction": f"the colour of {i} is {colours[i % 3]} . what is it ?",
            "response": colours[i % 3],
        }
        for i in range(300)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "rendered.parquet")
    (folder / "train").mkdir()
    toy = [json.dumps({"text": f"the film {i} is {['terrible', 'great'][i % 2]}", "label": i % 2}) for i in range(300)]
    (folder / "train" / "toy.jsonl").write_text("\n".join(toy))
    (folder / "promptsource_templates" / "toy").mkdir(parents=True)
    (folder / "promptsource_templates" / "toy" / "templates.yaml").write_text(TEMPLATES)
    return folder


def run(data: Path, output: Path, encoder: Path, steps: int, recipe: Recipe = RECIPE, seed: int = 0) -> Path:
    return train(recipe, RunOptions(data, output, str(encoder), Budget(steps=steps), seed, threads=1))


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


def test_joint_groups_are_a_share_of_the_training_groups_alone(data: Path, bert: Path) -> None:
    checkpoint = read_checkpoint(bert)
    conventions = Conventions.of(checkpoint.spec, "shared", 1, 2)
    recipe = dataclasses.replace(RECIPE, joint=0.5, held_out=0.2)
    texts = read_texts(recipe, str(bert), 0, data=data, groups=None, against=None)
    encoded = encode_texts(texts, recipe, checkpoint.tokenizer, conventions, 96, 0)
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
    choices = {"hard": 3, "foreign": 1.0, "pairwise": 0.3}
    said = {"hard": "3 of the 5", "foreign": "in up to 100% of groups", "pairwise": "0.3 × pairwise logistic loss"}
    options = RunOptions(tmp_path, tmp_path / "plain", str(bert), Budget(steps=3), threads=1)
    first = (train(plain, options) / "model.safetensors").read_bytes()
    for name, value in choices.items():
        changed = dataclasses.replace(plain, **{name: value})
        done = train(changed, dataclasses.replace(options, output=tmp_path / name))
        assert (done / "model.safetensors").read_bytes() != first, name
        assert said[name] in (done / "README.md").read_text()
    with pytest.raises(InputError, match="cannot be hard"):
        dataclasses.replace(plain, hard=6)


def test_an_average_says_what_it_is(data: Path, bert: Path, tmp_path: Path) -> None:
    second = run(data, tmp_path / "second", bert, 5)
    script = Path(__file__).parents[2] / "scripts" / "experiments" / "averaging.py"
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


def test_batches_hold_groups_of_one_layout(data: Path, bert: Path) -> None:
    groups = encoded(data, bert)
    alone = [
        dataclasses.replace(one, encoded=dataclasses.replace(one.encoded, prefix=())) if i % 3 == 0 else one
        for i, one in enumerate(groups)
    ]
    batches = epoch_batches(alone, 400, 0, 0)
    assert sorted(i for batch in batches for i in batch) == list(range(len(alone)))
    assert all(len({i % 3 == 0 for i in batch}) == 1 for batch in batches)


def test_a_stopped_run_resumes_exactly(data: Path, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(data, tmp_path / "whole", bert, 30)
    original, calls = Trainer._step, 0

    def dying(self: Trainer, *arguments: object) -> tuple[float, int]:
        nonlocal calls
        calls += 1
        if calls in (8, 20):
            raise KeyboardInterrupt
        return original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer_module.Trainer, "_step", dying)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "stopped", bert, 30)
    stopped = run(data, tmp_path / "stopped", bert, 30)
    one, other = ((folder / "model.safetensors").read_bytes() for folder in (whole, stopped))
    assert one == other


def test_a_folder_of_another_run_is_refused(data: Path, bert: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "run", bert, 1)
    with pytest.raises(InputError, match="another recipe, seed"):
        run(data, tmp_path / "run", bert, 2, seed=1)


def test_renderings_of_a_held_out_row_are_all_held_out(data: Path) -> None:
    training, development = build_mixture(dataclasses.replace(RECIPE, held_out=0.3), data, 0)
    assert development
    assert not {g.instruction for g in training} & {g.instruction for g in development}
    again = build_mixture(dataclasses.replace(RECIPE, held_out=0.3), data, 0)
    assert (training, development) == again


def test_no_number_of_rows_moves_a_row_across(data: Path) -> None:
    sides = []
    for rows in (80, 200, 300):
        recipe = dataclasses.replace(RECIPE, held_out=0.3, sources=(Source("toy", "toy", rows=rows),))
        parts = build_mixture(recipe, data, 0)
        sides.append([{g.instruction for g in part if g.task == "toy"} for part in parts])
    for training, _ in sides:
        for _, development in sides:
            assert len(development) > 10
            assert not training & development


def test_rows_of_one_question_are_held_out_together(data: Path, tmp_path: Path) -> None:
    for name in ("rendered.parquet", "promptsource_templates"):
        (tmp_path / name).symlink_to(data / name)
    (tmp_path / "train").mkdir()
    rows = [
        {"question": f"who is {i // 4}", "text": f"the answer {i} to {i // 4} is", "label": i % 2} for i in range(200)
    ]
    (tmp_path / "train" / "toy.jsonl").write_text("\n".join(map(json.dumps, rows)))
    parts = build_mixture(dataclasses.replace(RECIPE, held_out=0.3), tmp_path, 0)
    asked = [{g.instruction.split(" to ")[1] for g in part if g.task == "toy"} for part in parts]
    assert len(asked[0]) + len(asked[1]) == 50
    assert asked[1]


def test_held_out_answers_are_never_lent_to_training(tmp_path: Path) -> None:
    rows = [{"template": "xsum_t", "instruction": f"title of {i} ?", "response": f"title {i}"} for i in range(400)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rendered.parquet")
    parts = build_mixture(dataclasses.replace(RECIPE, sources=(), held_out=0.2), tmp_path, 0)
    right, lent = [
        [{c.text for g in part for c in g.candidates if c.label == label} for part in parts] for label in (1.0, 0.0)
    ]
    assert len(right[0]) + len(right[1]) == 400
    assert not lent[0] & right[1]
    assert lent[1] & right[0]


def test_every_task_has_held_out_rows_and_none_that_training_asks(tmp_path: Path) -> None:
    """A template without the question asks the same of many rows; those are held out for nothing."""
    rows = [{"template": f"xsum_{t}", "instruction": f"{t} {i} ?", "response": f"{i}"} for t in "ab" for i in range(60)]
    rows += [{"template": "quoref_t", "instruction": f"guess {i // 30} ?", "response": f"{i}"} for i in range(120)]
    rows += [{"template": "duorc_t", "instruction": f"say {i} ?", "response": f"{i}"} for i in range(30)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rendered.parquet")
    for share in (0.01, 0.1, 0.5):
        parts = build_mixture(dataclasses.replace(RECIPE, sources=(), held_out=share), tmp_path, 0)
        assert {group.task for group in parts[1]} >= {"xsum", "duorc"}
        asked = [{(group.task, group.instruction) for group in part} for part in parts]
        assert not asked[0] & asked[1]
        numbers = [{one.split()[1] for task, one in part if task == "xsum"} for part in asked]
        assert not numbers[0] & numbers[1]


def test_a_rendered_file_without_rows_is_named(tmp_path: Path) -> None:
    rows = [{"template": "xsum_t", "instruction": "title ?", "response": "the same"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rendered.parquet")
    with pytest.raises(InputError, match="no rows"):
        build_mixture(dataclasses.replace(RECIPE, sources=()), tmp_path, 0)


def test_missing_data_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rendered"):
        build_mixture(RECIPE, tmp_path, 0)
    with pytest.raises(InputError, match="absent"):
        build_mixture(dataclasses.replace(RECIPE, sources=(Source("absent", "toy"),)), data, 0)
    with pytest.raises(InputError, match="recipe"):
        find_recipe("nothing")


def test_an_epoch_holds_every_group_once_in_an_order_of_its_own(data: Path, bert: Path) -> None:
    groups = encoded(data, bert)
    first, second = (epoch_batches(groups, 400, 0, epoch) for epoch in (0, 1))
    assert sorted(i for batch in first for i in batch) == list(range(len(groups)))
    assert first == epoch_batches(groups, 400, 0, 0)
    assert first != second


def encoded(data: Path, bert: Path, most: int = 8, short_words: int = 0) -> list[TrainingGroup]:
    from cappy.training.made import pair_limits

    checkpoint = read_checkpoint(bert)
    conventions = Conventions.of(checkpoint.spec, "shared", 1, 2)
    training, _ = build_mixture(RECIPE, data, 0)
    return encode_groups(
        training,
        checkpoint.tokenizer,
        conventions,
        pair_limits(RECIPE.instruction_tokens, RECIPE.response_tokens),
        most,
        0,
        short_words,
    )


def test_limiting_candidates_keeps_the_right_one(data: Path, bert: Path) -> None:
    assert all(
        group.labels.tolist().count(1.0) == 1 and len(group.labels) == 2 for group in encoded(data, bert, most=2)
    )


def test_of_short_candidates_more_are_kept(data: Path, bert: Path) -> None:
    all_kept = encoded(data, bert)
    assert {len(group.labels) for group in all_kept} == {2, 3}  # good or bad, and three colours
    some = encoded(data, bert, most=1, short_words=2)
    assert {len(group.labels) for group in some} == {2}
    assert all(group.labels.tolist().count(1.0) == 1 for group in some)


def test_learning_rate_warms_up_and_comes_down() -> None:
    rates = [learning_rate(progress, RECIPE) for progress in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(RECIPE.learning_rate, rel=1e-3)
    assert rates[0] < 0.05 * RECIPE.learning_rate
    assert rates[-1] == pytest.approx(0.05 * RECIPE.learning_rate)
    held = dataclasses.replace(RECIPE, last_rate=1.0)
    assert [learning_rate(progress, held) for progress in (0.04, 0.1, 1.0)] == pytest.approx([RECIPE.learning_rate] * 3)
    with pytest.raises(InputError, match=r"not 1\.5"):
        dataclasses.replace(RECIPE, last_rate=1.5)


def test_a_run_without_an_end_is_refused() -> None:
    with pytest.raises(InputError, match="--steps or --minutes"):
        Budget()
    for steps, minutes in ((None, 0.0), (5, 0.0), (0, None)):
        with pytest.raises(InputError, match="above 0"):
            Budget(steps, minutes)
    assert Budget(steps=10, minutes=1).progress(5, 45) == 0.75


def test_encoders_that_cannot_be_used(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        starting_weights(tmp_path, 0)
    config = json.loads((bert / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 9}))
    (tmp_path / "model.safetensors").write_bytes((bert / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="lack"):
        starting_weights(tmp_path, 0)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        starting_weights(tmp_path, 0)


@pytest.mark.parametrize("layout", ["shared", "joint"])
def test_gradients_of_the_packed_encoder_equal_those_of_pairs_alone(bert: Path, layout: str) -> None:
    from cappy.layout import Limits, encode_group, pack
    from cappy.runtime.torch_encoder import Encoder

    checkpoint = read_checkpoint(bert)
    conventions = Conventions.of(checkpoint.spec, layout, 1, 2)
    weights = {name: torch.from_numpy(array).float() for name, array in checkpoint.read_weights().items()}
    texts = [([10, 11, 12], [[20], [21, 22, 23]]), ([13] * 9, [[24, 25]])]
    together = Encoder(checkpoint.spec, weights)
    groups = [encode_group(i, r, conventions, Limits(96, 32)) for i, r in texts]
    (together(pack(groups, conventions)) ** 2).sum().backward()
    alone = Encoder(checkpoint.spec, {name: tensor.clone() for name, tensor in weights.items()})
    for instruction, responses in texts:
        for response in responses:
            single = encode_group(instruction, [response], conventions, Limits(96, 32))
            (alone(pack([single], conventions)) ** 2).sum().backward()
    for (name, one), (_, other) in zip(together.named_parameters(), alone.named_parameters(), strict=True):
        if other.grad is not None:
            assert torch.allclose(one.grad, other.grad, atol=1e-4), name
