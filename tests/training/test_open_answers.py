"""Groups of answers to open instructions: labels, sides, and the longer room they are trained in."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.errors import InputError
from cappy.group import Candidate, Group
from cappy.layout.encode import Conventions
from cappy.training import open_answers
from cappy.training.batches import encode_groups
from cappy.training.encoding import encode_texts
from cappy.training.lots import task_limits
from cappy.training.mixture import build_mixture
from cappy.training.open_answers import BETTER, MADE_UP, REFERENCE, SAMPLE, SOUND, WORSE, answer_groups, held_out
from cappy.training.recipes import BASE, OpenAnswers
from cappy.training.texts import read_texts
from tests.training.toy import RECIPE

PLAN = OpenAnswers(
    judged=("pairs", "single"), lists=("lists",), written=("written",), strengths=(("a", 0.9), ("b", 0.5), ("c", 0.2))
)
LONG = "one two three four five six seven eight nine ten."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("open")
    (folder / "train").mkdir()
    asked = [f"Tell me of thing {chr(97 + i)}{i}." for i in range(40)]
    sets = {
        "pairs": [{"prompt": one, "chosen": f"good {i}", "rejected": f"bad {i}"} for i, one in enumerate(asked)],
        "single": [{"prompt": f"Say {i}.", "completion": f"said {i} {LONG}", "label": bool(i % 2)} for i in range(20)],
        "lists": [
            {"prompt": one, "response_a": f"best {i}", "response_b": f"a longer one {i}", "response_c": f"no {i}"}
            for i, one in enumerate(asked)
        ],
        "written": [{"instruction": f"Write {i}.", "input": "now", "output": f"written {i} {LONG}"} for i in range(20)],
        "smollm2_samples": [
            {"instruction": one, "references": [], "greedy": f"small {i}", "cut": [False]}
            for i, one in enumerate(asked)
        ],
    }
    for name, rows in sets.items():
        (folder / "train" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    rendered = [
        {"template": "quoref_toy", "instruction": f"Where is {i}?", "response": ("here", "there")[i % 2]}
        for i in range(40)
    ]
    pq.write_table(pa.Table.from_pylist(rendered), folder / "rendered.parquet")
    return folder


def sides(folder: Path, **changes: object) -> tuple[list[Group], list[Group]]:
    found = list(answer_groups(folder / "train", dataclasses.replace(PLAN, **changes), 0))  # type: ignore[arg-type]
    return [group for held, group in found if not held], [group for held, group in found if held]


def labels(group: Group) -> dict[str, float | None]:
    """Return the labels of the answers that no rule made."""
    return {one.text: one.label for one in group.candidates if not one.origin.startswith("spoiled")}


def test_an_instruction_is_on_one_side_in_every_set(folder: Path) -> None:
    training, development = sides(folder)
    asked = [{group.instruction for group in side} for side in (training, development)]
    assert asked[0] and asked[1] and asked[0].isdisjoint(asked[1])
    lent = {one.text for group in development for one in group.candidates if one.origin == "spoiled:neighbour"}
    own = {one.text for group in training for one in group.candidates if not one.origin.startswith("spoiled")}
    assert lent and lent.isdisjoint(own)
    assert 0.1 < sum(held_out(f"instruction {i}", 0.2) for i in range(1000)) / 1000 < 0.3


def test_answers_are_labelled_by_what_is_known_of_them(folder: Path) -> None:
    training, development = sides(folder, sampled=1.0, held_out=0.1)
    every = [*training, *development]
    by_text = {text: label for group in every for text, label in labels(group).items()}
    assert (by_text["good 3"], by_text["bad 3"]) == (BETTER, WORSE)
    assert (by_text[f"said 1 {LONG}"], by_text[f"said 2 {LONG}"]) == (SOUND, MADE_UP)
    assert (by_text["best 4"], by_text["a longer one 4"], by_text["no 4"]) == (0.9, 0.5, 0.2)
    assert by_text[f"written 5 {LONG}"] == REFERENCE
    assert by_text["small 6"] == SAMPLE
    written = [group for group in every if group.instruction == "Write 5.\n\nnow"]
    assert len(written) == 1 and len(written[0].candidates) == 3
    lists = [group for group in every if group.template == "listed"]
    assert len(lists) == 4 * 40
    assert all(max(group.candidates, key=lambda one: one.label or 0).text.startswith("best") for group in lists)


def test_the_best_of_a_list_is_seldom_the_longest_where_that_can_be_had() -> None:
    many = tuple(Candidate("word " * (length + 1), length / 10, "sample:judged") for length in range(10))
    draw = random.Random(0)
    found = [open_answers._drawn((*many[:5], Candidate("short", 0.99, "sample:judged")), draw) for _ in range(200)]
    longest = [max(kept, key=lambda one: one.label or 0) is max(kept, key=lambda one: len(one.text)) for kept in found]
    assert 0.1 < sum(longest) / 200 < 0.5


def test_open_answers_are_part_of_a_mixture_and_read_to_their_own_length(
    folder: Path, shared_bert: Path, tmp_path: Path
) -> None:
    plan = dataclasses.replace(PLAN, instruction_tokens=20, response_tokens=30, longest_response=40)
    recipe = dataclasses.replace(RECIPE, sources=(), held_out=0.2, open_answers=plan)
    training, development = build_mixture(recipe, folder, 0)
    for side in (training, development):
        assert {group.task for group in side} == {"quoref", open_answers.TASK}
    texts = read_texts(recipe, "", 0, data=folder, groups=None, against=None)
    assert [made.task for made in texts.made_development] == [open_answers.TASK]
    assert {group.task for group in texts.development} == {"quoref"}
    checkpoint = read_checkpoint(shared_bert)
    tokenizer = checkpoint.tokenizer
    conventions = Conventions.of(checkpoint.spec, "shared", tokenizer.cls_id, tokenizer.sep_id)
    encoded = encode_texts(texts.placed(), recipe, tokenizer, conventions, 96, 0, tmp_path / "tokens")
    longest = {
        task: max(len(s) for group in encoded.training if group.task == task for s in group.encoded.segments)
        for task in ("quoref", open_answers.TASK)
    }
    assert longest["quoref"] <= recipe.response_tokens + 2
    assert longest[open_answers.TASK] == 42  # beside a short instruction more than the 30 that are kept free
    (listed,) = encode_groups(
        [next(group for group in training if group.template == "listed")],
        tokenizer,
        conventions,
        task_limits(recipe, open_answers.TASK),
        9,
        0,
    )
    assert listed.graded


def test_a_missing_set_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        list(answer_groups(folder / "train", dataclasses.replace(PLAN, judged=("absent",)), 0))


def test_the_recipe_base_takes_sets_with_a_stated_licence_alone() -> None:
    plan = BASE.open_answers
    assert plan is not None
    named = {*plan.judged, *plan.lists, *plan.written}
    assert named.isdisjoint({"flask_model_outputs", "llamafactory__lima"})
