"""Encoded instructions that are kept: the same scores as without, within a bound of memory."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import cappy
from cappy.runtime import prefix_cache
from cappy.runtime.prefix_cache import PrefixCache
from tests.conftest import WORDS


@pytest.fixture(autouse=True)
def _short_instructions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_cache, "SHORTEST", 1)


def some(draw: random.Random, words: int) -> str:
    return " ".join(draw.choices(WORDS, k=words))


@pytest.mark.parametrize("family", ["bert", "mpnet", "modernbert"])
@pytest.mark.parametrize(("runtime", "precision"), [("onnx", "fp32"), ("onnx", "int8"), ("openvino", "fp32")])
def test_scores_are_the_same_with_and_without(
    request: pytest.FixtureRequest, runtime: str, precision: str, family: str
) -> None:
    options = {"runtime": runtime, "precision": precision, "layout": "shared"}
    folder: Path = request.getfixturevalue(family)
    kept, plain = cappy.load(folder, **options), cappy.load(folder, **options, cache_mib=0)  # type: ignore[arg-type]
    draw, near = random.Random(0), 1e-5 if runtime == "openvino" else 1e-6
    instructions = [some(draw, n) for n in (40, 3, 17)]
    for _ in range(4):
        for instruction in instructions:
            responses = [some(draw, draw.randint(0, 9)) for _ in range(draw.randint(1, 5))]
            assert kept.score(instruction, responses) == pytest.approx(plain.score(instruction, responses), abs=near)
    groups = [(draw.choice([*instructions, some(draw, 8)]), [some(draw, 3)]) for _ in range(12)]
    for one, other in zip(kept.score_groups(groups), plain.score_groups(groups), strict=True):
        assert one.scores == pytest.approx(other.scores, abs=near)
    assert kept.cache is not None
    assert kept.cache.hits > 6
    assert plain.cache is None


def test_an_instruction_is_kept_from_the_second_time_on(shared_bert: Path) -> None:
    scorer = cappy.load(shared_bert)
    assert scorer.cache is not None
    sizes = []
    for _ in range(3):
        scorer.score("which animal is in the house ?", ["cat", "dog"])
        sizes.append(scorer.cache.bytes)
    spec = scorer.checkpoint.spec
    assert sizes == [0, *[9 * 2 * spec.layers * spec.hidden * 4] * 2]
    assert (scorer.cache.hits, scorer.cache.misses) == (1, 1)


def test_the_joint_layout_keeps_nothing(bert: Path) -> None:
    scorer = cappy.load(bert, layout="joint")
    for _ in range(3):
        scorer.score("the sky is", "blue")
    assert scorer.cache is not None
    assert scorer.cache.bytes == 0


def test_the_least_recently_used_go_first() -> None:
    cache = PrefixCache(100)
    arrays = {(number,): np.full((1, 10), number, dtype=np.float32) for number in range(4)}
    for prefix, array in arrays.items():
        cache.look_up([prefix])
        cache.keep(prefix, array)
        cache.look_up([(0,)])  # is used all the time
    assert cache.bytes == 80
    found, wanted = cache.look_up(list(arrays))
    assert [one is not None for one in found] == [True, False, False, True]
    assert wanted == [False, True, True, False]
    cache.keep((9,), np.zeros((1, 1000), dtype=np.float32))  # over the limit alone
    assert cache.bytes == 80


def test_nothing_but_what_is_counted_is_held() -> None:
    """A slice of a batch's array must not keep the batch."""
    cache, batch = PrefixCache(1000), np.zeros((100, 10), dtype=np.float32)
    cache.look_up([(1,)])
    cache.keep((1,), batch[:2])
    cache.look_up([(1,)])
    ((kept,), _) = cache.look_up([(1,)])
    assert kept is not None
    assert kept.base is None
    assert kept.nbytes == cache.bytes == 80


def test_short_instructions_and_those_seen_long_ago_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_cache, "SEEN", 2)
    monkeypatch.setattr(prefix_cache, "SHORTEST", 2)
    cache = PrefixCache(1000)
    for prefix in ((1, 1), (2, 2), (3, 3), (1,)):
        cache.look_up([prefix])
    assert cache.look_up([(1, 1), (3, 3), (1,)])[1] == [False, True, False]


def test_threads_may_share_one(shared_bert: Path) -> None:
    scorer, plain = cappy.load(shared_bert, cache_mib=1), cappy.load(shared_bert, cache_mib=0)
    draw = random.Random(1)
    groups = [(some(draw, 12), [some(draw, 4)]) for _ in range(6)] * 8
    expected = {group[0]: plain.score(*group)[0] for group in groups[:6]}
    with ThreadPoolExecutor(4) as pool:
        for (instruction, _), found in zip(groups, pool.map(lambda g: scorer.score(*g)[0], groups), strict=True):
            assert found == pytest.approx(expected[instruction], abs=1e-6)
