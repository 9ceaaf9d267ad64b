"""Batches of groups: whole epochs, one layout, and the candidates that are kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.layout.encode import Conventions
from cappy.training.batches import TrainingGroup, encode_groups
from cappy.training.encoding import encode_texts
from cappy.training.epochs import epoch_batches, pair_batches
from cappy.training.mixture import build_mixture
from cappy.training.texts import read_texts
from tests.training.toy import RECIPE


def test_batches_hold_groups_of_one_layout(data: Path, bert: Path) -> None:
    groups = encoded_groups(data, bert)
    alone = [
        dataclasses.replace(one, encoded=dataclasses.replace(one.encoded, prefix=())) if i % 3 == 0 else one
        for i, one in enumerate(groups)
    ]
    batches = epoch_batches(alone, 400, 0, 0)
    assert sorted(i for batch in batches for i in batch) == list(range(len(alone)))
    assert all(len({i % 3 == 0 for i in batch}) == 1 for batch in batches)


def test_an_epoch_holds_every_group_once_in_an_order_of_its_own(data: Path, bert: Path) -> None:
    groups = encoded_groups(data, bert)
    first, second = (list(epoch_batches(groups, 400, 0, epoch)) for epoch in (0, 1))
    assert sorted(i for batch in first for i in batch) == list(range(len(groups)))
    assert first == list(epoch_batches(groups, 400, 0, 0))
    assert first != second


def encoded_groups(data: Path, bert: Path, most: int = 8, short_words: int = 0) -> list[TrainingGroup]:
    from cappy.training.derived import pair_limits

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
        group.labels.tolist().count(1.0) == 1 and len(group.labels) == 2 for group in encoded_groups(data, bert, most=2)
    )


def test_of_short_candidates_more_are_kept(data: Path, bert: Path) -> None:
    all_kept = encoded_groups(data, bert)
    assert {len(group.labels) for group in all_kept} == {2, 3}  # good or bad, and three colours
    some = encoded_groups(data, bert, most=1, short_words=2)
    assert {len(group.labels) for group in some} == {2}
    assert all(group.labels.tolist().count(1.0) == 1 for group in some)


def test_the_papers_setting_has_single_pairs_in_batches_of_so_many(data: Path, bert: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(bert)
    conventions = Conventions.of(checkpoint.spec, "joint", 1, 2)
    recipe = dataclasses.replace(RECIPE, layout="joint", batch_pairs=64, listwise=0.0)
    texts = read_texts(recipe, str(bert), 0, data=data, groups=None, against=None)
    encoded = encode_texts(texts.placed(), recipe, checkpoint.tokenizer, conventions, 96, 0, tmp_path / "tokens")
    assert {len(group.labels) for group in encoded.training} == {1}
    assert {len(group.labels) for group in encoded.development} > {1} or len(encoded.development[0].labels) > 1
    batches = pair_batches(encoded.training, 64, 0, 0)
    assert sorted(i for batch in batches for i in batch) == list(range(len(encoded.training)))
    assert sorted(map(len, batches))[1:] == [64] * (len(batches) - 1)
    shared = encoded_groups(data, bert)
    held = [sum(len(shared[i].labels) for i in batch) for batch in pair_batches(shared, 64, 0, 0)]
    assert all(64 <= count < 64 + 8 for count in sorted(held)[1:])
