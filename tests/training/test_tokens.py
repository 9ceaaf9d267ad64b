"""Token files: the groups and batches of lists in memory, made once, and made again when they no longer fit."""

from __future__ import annotations

import dataclasses
import json
import pickle
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.data.shards import begin_store, finish_store, write_shard
from cappy.data.store import read_groups
from cappy.errors import InputError
from cappy.group import Candidate, Group
from cappy.layout.batches import Size, token_batches
from cappy.layout.encode import Conventions
from cappy.training import encoding, epochs, open_answers, prepare
from cappy.training.batches import TrainingGroup, encode_groups, single_pairs
from cappy.training.encoding import ALL, Encoded
from cappy.training.epochs import epoch_batches, pair_batches
from cappy.training.lots import task_limits
from cappy.training.mixture import split_groups
from cappy.training.prepare import Given
from cappy.training.processes import Processes
from cappy.training.recipes import OpenAnswers, Recipe
from cappy.training.run import RunOptions, train
from cappy.training.tokens import TokenGroups
from cappy.training.trainer import Budget
from tests.training.toy import RECIPE

WORDS = "cat dog house red blue green film is the what colour great good bad terrible".split()


def random_groups(count: int, seed: int = 0) -> list[Group]:
    draw = random.Random(seed)

    def text(most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, most)))

    return [
        Group(
            f"{number} {text(30)}",
            tuple(
                Candidate(text(9), draw.choice([0.0, 0.5, 1.0]), draw.choice(["choice", "sample:x"])) for _ in range(n)
            ),
            draw.choice(["one", "two", open_answers.TASK]),
            "t",
        )
        for number, n in enumerate(draw.choices(range(2, 14), k=count))
    ]


def write_store(folder: Path, groups: Sequence[Group], seed: int = 0) -> Path:
    shards = begin_store(folder, {}, seed)
    targets = []
    for start in range(0, len(groups), 100):
        targets.append(shards / f"{start:04}.parquet")
        part = groups[start : start + 100]
        write_shard(targets[-1], part, (), len(part), "random")
    finish_store(folder, targets, {}, seed)
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("token") / "store", random_groups(450))


def conventions_of(bert: Path, recipe: Recipe) -> Conventions:
    return Conventions.of(read_checkpoint(bert).spec, recipe.layout, 1, 2)


def prepared(
    bert: Path, given: Given, output: Path, recipe: Recipe = RECIPE, seed: int = 0, processes: Processes | None = None
) -> Encoded:
    tokenizer = read_checkpoint(bert).tokenizer
    return prepare.prepare(given, recipe, tokenizer, conventions_of(bert, recipe), 96, seed, output, processes)


def listed(groups: list[Group], bert: Path, recipe: Recipe, seed: int) -> dict[str, list[TrainingGroup]]:
    """Encode all groups together, in lists: what token files must equal."""
    tokenizer, shared = read_checkpoint(bert).tokenizer, conventions_of(bert, recipe)
    training, development = split_groups(groups, recipe.held_out)
    draw = random.Random(f"{seed}:joint")
    parts: dict[str, list[Group]] = {"shared": [], "joint": [], open_answers.TASK: []}
    for group in training:
        layout = "joint" if draw.random() < recipe.joint else "shared"
        parts[group.task if group.task in parts else layout].append(group)
    apart = [group for group in development if group.task == open_answers.TASK]
    rest = [group for group in development if group.task != open_answers.TASK]

    def encode(groups: list[Group], layout: str, task: str = "", most: int = ALL, short: int = 0) -> Any:
        limits = task_limits(recipe, task)
        limits = dataclasses.replace(limits, max_tokens=min(limits.max_tokens, 96))
        named = dataclasses.replace(shared, layout=layout)
        return encode_groups(groups, tokenizer, named, limits, most, seed, short)

    found = encode(parts["shared"], recipe.layout, "", recipe.candidates, recipe.short_words)
    found += encode(parts["joint"], "joint", "", recipe.candidates, recipe.short_words)
    found += encode(parts[open_answers.TASK], recipe.layout, open_answers.TASK)
    return {
        "training": single_pairs(found) if recipe.batch_pairs and recipe.layout == "joint" else found,
        "development": encode(random.Random(seed).sample(rest, len(rest)), recipe.layout),
        open_answers.TASK: encode(apart, recipe.layout, open_answers.TASK),
    }


def plain(groups: Sequence[TrainingGroup]) -> list[tuple[Any, ...]]:
    return [
        (g.encoded.prefix, g.encoded.segments, g.encoded.boundaries, g.labels.tolist(), g.task, g.graded)
        for g in groups
    ]


def listed_batches(groups: Sequence[TrainingGroup], budget: int, pairs: int, seed: int) -> list[list[list[int]]]:
    """Make the batches of epoch 1 from lists of Python numbers: by tokens, and by pairs."""
    found: list[list[list[int]]] = []
    for by_tokens in (True, False):
        order, draw, batches = list(range(len(groups))), random.Random(f"{seed}:1"), []
        draw.shuffle(order)
        pools = [order[start : start + epochs.POOL] for start in range(0, len(order), epochs.POOL)]
        for pool in pools if by_tokens else [order]:
            for shared in (True, False):
                alike = [i for i in pool if groups[i].shared == shared]
                if by_tokens:
                    sizes = [Size.of(groups[i].encoded) for i in alike]
                    batches += [[alike[k] for k in batch] for batch in token_batches(sizes, budget)]
                    continue
                batch: list[int] = []
                for index in alike:
                    batch.append(index)
                    if sum(len(groups[i].labels) for i in batch) >= pairs:
                        batches.append(batch)
                        batch = []
                batches += [batch] if batch else []
        draw.shuffle(batches)
        found.append(batches)
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"joint": 0.4, "open_answers": OpenAnswers(instruction_tokens=20, response_tokens=30, longest_response=40)},
        {"layout": "joint", "batch_pairs": 64},
    ],
    ids=["shared", "both", "pairs"],
)
def test_token_files_equal_lists_in_memory(
    bert: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr(encoding, "CHUNK", 37)
    monkeypatch.setattr(epochs, "POOL", 100)
    monkeypatch.setattr(epochs, "BLOCK", 23)
    recipe = dataclasses.replace(RECIPE, held_out=0.2, **changes)
    expected = listed(random_groups(450), bert, recipe, 3)
    encoded = prepared(bert, Given(groups=store), tmp_path, recipe, 3)
    assert plain(encoded.training) == plain(expected["training"])
    assert plain(encoded.development) == plain(expected["development"])
    assert {name: plain(found) for name, found in encoded.made_development.items()} == {
        open_answers.TASK: plain(expected[open_answers.TASK])
    }
    assert encoded.training[0].labels.dtype == np.float32
    assert encoded.tokens == sum(group.encoded.tokens for group in expected["training"])
    by_tokens, by_pairs = listed_batches(expected["training"], 400, 30, 3)
    for groups in (encoded.training, expected["training"]):
        assert list(epoch_batches(groups, 400, 3, 1)) == by_tokens
        assert list(pair_batches(groups, 30, 3, 1)) == by_pairs
    assert list(pair_batches(encoded.training, 30, 3, 1)[2:5]) == by_pairs[2:5]


def test_a_recipe_that_reads_all_texts_goes_through_the_same_files(bert: Path, store: Path, tmp_path: Path) -> None:
    streamed = prepared(bert, Given(groups=store), tmp_path / "streamed")
    recipe = dataclasses.replace(RECIPE, response_only_negatives=1e-9)  # borrows nothing, but needs all groups
    together = prepared(bert, Given(groups=store), tmp_path / "together", recipe)
    for one, other in ((streamed.training, together.training), (streamed.development, together.development)):
        assert plain(one) == plain(other)
    assert streamed.tasks == together.tasks
    assert sum(streamed.tasks.values()) == len(streamed.training)


def test_another_process_gets_the_place_of_the_files(bert: Path, store: Path, tmp_path: Path) -> None:
    groups = prepared(bert, Given(groups=store), tmp_path).training
    sent = pickle.dumps(groups)
    assert len(sent) < 500
    received: TokenGroups = pickle.loads(sent)
    assert plain(received[5:9]) == plain(groups)[5:9]
    assert plain([received[-1]]) == plain(groups)[-1:]


def made(folder: Path) -> int:
    return (folder / "tokens" / "manifest.json").stat().st_ino


def test_a_second_start_uses_the_files_again(
    bert: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plain(prepared(bert, Given(groups=store), tmp_path).training)
    monkeypatch.setattr(prepare, "encode_texts", None)
    assert plain(prepared(bert, Given(groups=store), tmp_path).training) == first


def cut(tokens: Path) -> None:
    content = (tokens / "tokens.bin").read_bytes()
    (tokens / "tokens.bin").write_bytes(content[: len(content) // 2])


def without_manifest(tokens: Path) -> None:
    (tokens / "manifest.json").unlink()


def killed(tokens: Path) -> None:
    tokens.rename(tokens.with_name(".tokens.abc"))


def other_format(tokens: Path) -> None:
    path = tokens / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))


@pytest.mark.parametrize("damage", [cut, without_manifest, killed, other_format])
def test_half_written_files_are_made_again(
    bert: Path, store: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    first = plain(prepared(bert, Given(groups=store), tmp_path).training)
    damage(tmp_path / "tokens")
    assert plain(prepared(bert, Given(groups=store), tmp_path).training) == first
    assert [path.name for path in tmp_path.iterdir()] == ["tokens"]


def test_other_seeds_recipes_and_data_make_the_files_again(bert: Path, tmp_path: Path) -> None:
    given = Given(groups=write_store(tmp_path / "store", random_groups(300)))
    runs = [prepared(bert, given, tmp_path / "run").tokens]
    seen = {made(tmp_path / "run")}
    longer = dataclasses.replace(RECIPE, response_tokens=6)
    for recipe, seed in ((RECIPE, 1), (longer, 1)):
        runs.append(prepared(bert, given, tmp_path / "run", recipe, seed).tokens)
    (tmp_path / "store" / "plan.json").unlink()
    (tmp_path / "store" / "manifest.json").unlink()
    for path in (tmp_path / "store" / "shards").iterdir():
        path.unlink()
    write_store(tmp_path / "store", random_groups(300, seed=1))
    runs.append(prepared(bert, given, tmp_path / "run", longer, 1).tokens)
    assert runs[1] != runs[2] != runs[3]
    file = tmp_path / "groups.jsonl"
    row = {"instruction": "what colour ?", "candidates": [{"text": "red", "label": 1}, {"text": "blue", "label": 0}]}
    rows = [json.dumps({**row, "instruction": f"what colour {i} ?"}) for i in range(100)]
    for count in (90, 100):
        file.write_text("\n".join(rows[:count]))
        encoded = prepared(bert, Given(groups=file), tmp_path / "run")
        assert len(encoded.training) + len(encoded.development) == count
    assert made(tmp_path / "run") not in seen


def test_a_store_without_held_out_groups_is_refused(bert: Path, tmp_path: Path) -> None:
    given = Given(groups=write_store(tmp_path / "store", random_groups(2)))
    with pytest.raises(InputError, match="both are needed"):
        prepared(bert, given, tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())  # nothing half-written is left


def test_token_files_can_be_written_before_the_run(bert: Path, store: Path, tmp_path: Path) -> None:
    options = RunOptions(None, tmp_path / "run", str(bert), Budget(steps=1), threads=1, groups=store, only_tokens=True)
    assert train(RECIPE, options) == tmp_path / "run" / "tokens"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["tokens"]
    first = made(tmp_path / "run")
    train(RECIPE, dataclasses.replace(options, only_tokens=False))
    assert made(tmp_path / "run") == first


def test_files_that_cannot_be_replaced_stay(bert: Path, store: Path, tmp_path: Path) -> None:
    options = RunOptions(None, tmp_path / "run", str(bert), Budget(steps=1), threads=1, groups=store, only_tokens=True)
    train(RECIPE, options)
    first = made(tmp_path / "run")
    with pytest.raises(InputError, match="cannot be read"):
        train(RECIPE, dataclasses.replace(options, groups=tmp_path / "nosuch"))
    assert made(tmp_path / "run") == first


def test_a_run_is_not_resumed_on_data_with_other_labels(bert: Path, store: Path, tmp_path: Path) -> None:
    """As many groups and tokens, so that only their content tells."""
    options = RunOptions(None, tmp_path / "run", str(bert), Budget(steps=1), threads=1, groups=store)
    train(RECIPE, options)
    first = made(tmp_path / "run")
    flipped = [
        dataclasses.replace(
            group,
            candidates=tuple(dataclasses.replace(one, label=1 - (one.label or 0)) for one in group.candidates),
        )
        for group in read_groups(store)
    ]
    other = write_store(tmp_path / "other", flipped)
    with pytest.raises(InputError, match="give another folder"):
        train(RECIPE, dataclasses.replace(options, groups=other, budget=Budget(steps=2)))
    assert made(tmp_path / "run") == first
    train(RECIPE, dataclasses.replace(options, budget=Budget(steps=2)))
    assert made(tmp_path / "run") == first


def test_settings_of_steps_use_the_files_again(bert: Path, store: Path, tmp_path: Path) -> None:
    prepared(bert, Given(groups=store), tmp_path)
    first = made(tmp_path)
    prepared(bert, Given(groups=store), tmp_path, dataclasses.replace(RECIPE, learning_rate=1e-3, batch_tokens=99))
    assert made(tmp_path) == first


class Two(Processes):
    """One of two processes that are threads here."""

    barrier = threading.Barrier(2, timeout=60)

    def gathered(self, value: Any) -> list[Any]:
        return [value, value]

    def wait(self) -> None:
        self.barrier.wait()


def test_the_first_process_writes_while_the_others_wait(
    bert: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[str] = []
    original = prepare.encode_texts

    def watched(*arguments: Any) -> Encoded:
        writers.append(threading.current_thread().name)
        return original(*arguments)

    monkeypatch.setattr(prepare, "encode_texts", watched)
    found: dict[int, Encoded] = {}

    def work(rank: int) -> None:
        found[rank] = prepared(bert, Given(groups=store), tmp_path, processes=Two(rank, 2))

    threads = [threading.Thread(target=work, args=(rank,), name=f"rank {rank}") for rank in (1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writers == ["rank 0"]
    assert plain(found[0].training) == plain(found[1].training)
    with pytest.raises(KeyboardInterrupt):
        prepared(bert, Given(groups=store), tmp_path / "other", processes=Two(1, 2, stopping=True))
    with pytest.raises(KeyboardInterrupt):
        prepared(bert, Given(groups=store), tmp_path / "other", processes=Two(0, 2, stopping=True))
