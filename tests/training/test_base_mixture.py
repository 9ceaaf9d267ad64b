"""What recipe `base` adds to a mixture: further sets, instructions, samples and suggestions, on their right sides."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.errors import InputError
from cappy.group import Candidate, Group
from cappy.layout.encode import Conventions
from cappy.metrics.references import rouge_l
from cappy.training import natural_instructions, samples
from cappy.training.batches import encode_groups
from cappy.training.derived import made_groups, pair_limits
from cappy.training.encoding import encode_texts
from cappy.training.mixture import build_mixture
from cappy.training.recipes import (
    BASE,
    MINI,
    NON_COMMERCIAL,
    Continuations,
    Further,
    NaturalInstructions,
    Recipe,
    Samples,
    Similarity,
    find_recipe,
)
from cappy.training.run import RunOptions, train
from cappy.training.texts import read_texts
from cappy.training.trainer import Budget
from tests.training.toy import RECIPE

TOWNS = ("Berlin", "Paris", "Vienna", "Madrid", "London")
SMALL = dataclasses.replace(
    RECIPE,
    sources=(),
    left_out=(*RECIPE.left_out, "samsum"),
    held_out=0.2,
    further=(Further("gsm8k"), Further("evouna")),
    natural_instructions=NaturalInstructions(kept_out=1, renderings=1),
    samples=Samples(),
    suggested=0.75,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    rendered = [
        {
            "template": f"{task}_toy",
            "instruction": f"{task} {i}: Anna and Peter met Maria in {TOWNS[i % 5]} in 19{i:02d}. All sat.\n\nWhere?",
            "response": f"{TOWNS[i % 5]}",
        }
        for task in ("quoref", "samsum")
        for i in range(30)
    ]
    pq.write_table(pa.Table.from_pylist(rendered), folder / "rendered.parquet")
    sets = {
        "gsm8k": [{"question": f"{i} + {i} is?", "answer": f"<<{i}+{i}={2 * i}>>\n#### {2 * i}"} for i in range(60)],
        "evouna": [
            {
                "question": f"who is {i}",
                "golden_answer": f"man {i}",
                "model": m,
                "answer": f"{m} {i}",
                "correct": m == "fid",
                "source": "nq",
            }
            for i in range(60)
            for m in ("fid", "gpt4")
        ],
        "super_natural_instructions": [
            {"task": t, "definition": f"Do {t}.", "input": f"input {i} {t}", "outputs": [f"output {i} {t} one"]}
            for t in ("one", "two", "three")
            for i in range(20)
        ],
        "smollm2_samples": [
            {
                "source": "t0",
                "instruction": row["instruction"],
                "references": [row["response"]],
                "greedy": f"It was {row['response']}",
                "warm": "I do not know",
                "cut": [False, False],
            }
            for row in rendered
        ],
    }
    (folder / "train").mkdir()
    for name, rows in sets.items():
        (folder / "train" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def by_task(groups: list[Group], task: str) -> list[Group]:
    return [group for group in groups if group.task == task]


def test_every_set_is_on_both_sides_and_no_question_is(folder: Path) -> None:
    training, development = build_mixture(SMALL, folder, 0)
    assert (training, development) == build_mixture(SMALL, folder, 0)
    for task in ("quoref", "gsm8k", "evouna", "samples", natural_instructions.TASK):
        mine, held = by_task(training, task), by_task(development, task)
        assert mine and held
        assert not {group.instruction for group in mine} & {group.instruction for group in held}
    kept_out = {group.template for group in by_task(development, natural_instructions.TASK)}
    assert len(kept_out) == 1
    assert kept_out.isdisjoint(group.template for group in training)


def test_caps_leave_further_sets_whole_but_for_their_own(folder: Path) -> None:
    capped = dataclasses.replace(
        SMALL, other_cap=5, choice_cap=5, further=(Further("gsm8k"), Further("evouna", rows=20))
    )
    training, _ = build_mixture(capped, folder, 0)
    assert len(by_task(training, "quoref")) == 5
    assert len(by_task(training, "gsm8k")) > 30
    assert len(by_task(training, "evouna")) <= 20


def test_samples_follow_their_row_and_left_out_tasks_have_none(folder: Path) -> None:
    training, development = build_mixture(SMALL, folder, 0)
    for side in (training, development):
        prompts = {group.instruction for group in by_task(side, "quoref")}
        sampled = by_task(side, samples.TASK)
        assert {group.instruction for group in sampled} == prompts
        for group in sampled:
            labels = {one.text: one.label for one in group.candidates}
            (right,) = [one.text for one in group.candidates if one.origin == "reference"]
            assert labels[f"It was {right}"] == pytest.approx(rouge_l(f"It was {right}", [right]))
            assert 2 <= sum(one.origin == "other" for one in group.candidates) <= 3
    assert not any("samsum" in group.instruction for group in (*training, *development))


def test_suggestions_are_for_training_rows(folder: Path) -> None:
    training, development = build_mixture(SMALL, folder, 0)

    def share(groups: list[Group]) -> float:
        return sum(any(one.origin == "suggested" for one in group.candidates) for group in groups) / len(groups)

    assert 0.5 < share(by_task(training, "quoref")) < 0.95
    assert share(by_task(training, samples.TASK)) == 0
    assert share(by_task(development, "quoref")) == 0
    plain, same = build_mixture(dataclasses.replace(SMALL, suggested=0.0), folder, 0)
    assert share(by_task(plain, "quoref")) == 0
    assert same == development


def test_groups_are_made_of_what_people_wrote(bert: Path) -> None:
    told = "{} Anna went to the old mill near the river. It was a cold day in the end. They all went home again."
    own = [
        Group(
            told.format(f"She met {i} friends there for tea."),
            (
                Candidate("home", 1.0, "reference"),
                Candidate("A machine wrote this sentence here.", 1.0, "sample:greedy"),
            ),
            "quoref",
        )
        for i in range(20)
    ]
    further = [Group(told.format(f"The set has {i} such lines in it."), (), "evouna") for i in range(20)]
    recipe = dataclasses.replace(
        RECIPE, continuations=Continuations(groups=60), similarity=Similarity(groups=60, phrases=60, candidates=3)
    )
    made = [group for one in made_groups([*own, *further], recipe, str(bert), 0) for group in one.groups]
    assert {group.task for group in made} == {"similarity", "continuations"}
    texts = " ".join(text for group in made for text in (group.instruction, *(c.text for c in group.candidates)))
    assert "friends there" in texts
    assert "The set has" not in texts
    assert "machine wrote" not in texts


def test_kept_out_tasks_have_figures_of_their_own(folder: Path, bert: Path, tmp_path: Path) -> None:
    texts = read_texts(SMALL, str(bert), 0, data=folder, groups=None, against=None)
    assert not by_task(texts.development, natural_instructions.TASK)
    (apart,) = texts.made_development
    assert apart.task == natural_instructions.TASK
    checkpoint = read_checkpoint(bert)
    conventions = Conventions.of(checkpoint.spec, "shared", 1, 2)
    encoded = encode_texts(texts.placed(), SMALL, checkpoint.tokenizer, conventions, 96, 0, tmp_path / "tokens")
    assert len(encoded.made_development[natural_instructions.TASK]) == len(apart.groups) > 10
    graded = {group.task for group in encoded.training if group.graded}
    assert graded == {"evouna", samples.TASK}


def test_of_many_candidates_the_right_and_random_others_are_kept(bert: Path) -> None:
    checkpoint = read_checkpoint(bert)
    conventions = Conventions.of(checkpoint.spec, "shared", 1, 2)
    wrong = [Candidate(f"wrong {i}", i / 100) for i in range(40)]
    groups = [
        Group(f"ask {i}", (*wrong, *[Candidate("good", 1.0), Candidate("fair", 0.45)][i % 2 :])) for i in range(40)
    ]
    encoded = encode_groups(groups, checkpoint.tokenizer, conventions, pair_limits(30, 8), 4, 0)
    assert [max(one.labels) for one in encoded] == pytest.approx([1.0, 0.45] * 20)
    rest = sorted(label for one in encoded for label in one.labels if label < 0.4)
    assert rest[len(rest) // 4] < 0.15  # not the best wrong ones alone


def test_a_run_takes_recipe_and_options_together(folder: Path, bert: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(
        SMALL, encoder=str(bert), graded_listwise=0.9, learning_rate=2e-3, further_learning_rate=5e-4
    )
    options = RunOptions(folder, tmp_path / "run", None, Budget(steps=3), threads=1)
    done = train(recipe, options)
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["encoder"] == str(bert)
    assert facts["recipe"]["learning_rate"] == 2e-3
    assert 0 <= facts["made"][natural_instructions.TASK]["pair_order"] <= 1
    assert "evouna" in facts["development"]["by_task"]
    card = (done / "README.md").read_text()
    for said in ("75% of the rows' groups", "gsm8k", "1 whole tasks", "0.9 × listwise cross-entropy to graded labels"):
        assert said in card
    alike = dataclasses.replace(recipe, graded_listwise=None)
    plain = train(alike, dataclasses.replace(options, output=tmp_path / "plain"))
    assert (plain / "model.safetensors").read_bytes() != (done / "model.safetensors").read_bytes()
    further = dataclasses.replace(options, output=tmp_path / "further", start=str(done))
    assert further.within(recipe).learning_rate == 5e-4
    assert dataclasses.replace(further, learning_rate=1e-4).within(recipe).learning_rate == 1e-4
    assert dataclasses.replace(further, batch_tokens=99).within(recipe).batch_tokens == 99
    with pytest.raises(InputError, match="above 0"):
        dataclasses.replace(further, learning_rate=0.0).within(recipe)


def test_the_recipe_base_takes_no_set_that_forbids_commercial_use() -> None:
    assert find_recipe("base") is BASE
    plan = BASE.natural_instructions
    assert plan is not None
    assert set(NON_COMMERCIAL) <= set(BASE.left_out) & set(plan.left_out)
    named = {one.file for one in (*BASE.sources, *BASE.further)}
    assert named.isdisjoint({"dream", "quail", "knkarthick__dialogsum", "GEM__web_nlg", "llamafactory__lima"})
    assert [one.file for one in BASE.sources] == [one.file for one in MINI.sources]
    assert (BASE.encoder, MINI.encoder) == tuple(
        f"sentence-transformers/all-{n}" for n in ("mpnet-base-v2", "MiniLM-L6-v2")
    )


def test_a_missing_set_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "rendered.parquet").symlink_to(folder / "rendered.parquet")
    recipe: Recipe = dataclasses.replace(SMALL, samples=None)
    with pytest.raises(InputError, match="gsm8k"):
        build_mixture(recipe, tmp_path, 0)
