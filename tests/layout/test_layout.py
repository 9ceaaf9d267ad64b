from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cappy.errors import InputError
from cappy.group import Cut
from cappy.layout.batches import Size, token_batches
from cappy.layout.encode import Conventions, encode_group, split_group
from cappy.layout.limits import Limits, truncate
from cappy.layout.pack import few_sizes, pack, spread

SHARED = Conventions("shared", cls_id=1, sep_id=2, double_separator=False, token_types=True, position_offset=0)
JOINT = Conventions("joint", cls_id=1, sep_id=2, double_separator=False, token_types=True, position_offset=0)
ROBERTA = Conventions("joint", cls_id=0, sep_id=2, double_separator=True, token_types=False, position_offset=2)
sizes = st.lists(st.builds(Size, *[st.integers(1, 300)] * 4), max_size=60)


def test_truncate_cuts_where_it_is_told() -> None:
    ids = list(range(10))
    assert truncate(ids, 4, "left") == ((6, 7, 8, 9), 6)
    assert truncate(ids, 4, "right") == ((0, 1, 2, 3), 6)
    assert truncate(ids, 5, "middle") == ((0, 1, 2, 8, 9), 5)
    assert truncate(ids, 10, "middle") == (tuple(ids), 0)


def test_shared_layout_of_a_small_group() -> None:
    group = encode_group([10, 11], [[20], [30, 31]], SHARED, Limits())
    assert group.prefix == (1, 10, 11, 2)
    assert group.segments == ((1, 20, 2), (1, 30, 31, 2))
    batch = pack([group], SHARED)
    assert batch.prefixes is not None
    assert batch.prefixes.positions.tolist() == [0, 1, 2, 3]
    assert batch.prefixes.types.tolist() == [0, 0, 0, 0]
    # each candidate stands where it would stand alone behind the instruction
    assert batch.segments.positions.tolist() == [4, 5, 6, 4, 5, 6, 7]
    assert set(batch.segments.types.tolist()) == {1}
    assert batch.row_lengths().tolist() == [7]


def test_joint_layout_of_both_families() -> None:
    bert = encode_group([10, 11], [[20]], JOINT, Limits())
    assert bert.segments == ((1, 10, 11, 2, 20, 2),)
    assert pack([bert], JOINT).segments.types.tolist() == [0, 0, 0, 0, 1, 1]
    roberta = encode_group([10, 11], [[20]], ROBERTA, Limits())
    assert roberta.segments == ((0, 10, 11, 2, 2, 20, 2),)
    packed = pack([roberta], ROBERTA).segments
    assert packed.positions.tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert not packed.types.any()


@pytest.mark.parametrize("conventions", [SHARED, JOINT, ROBERTA])
@given(instruction=st.integers(0, 80), responses=st.lists(st.integers(0, 60), min_size=1, max_size=5))
def test_every_pair_obeys_the_limit_and_cuts_are_reported(
    conventions: Conventions, instruction: int, responses: list[int]
) -> None:
    limits = Limits(max_tokens=48, response_tokens=20)
    group = encode_group([5] * instruction, [[6] * n for n in responses], conventions, limits)
    for length, segment, cut in zip(responses, group.segments, group.cuts, strict=True):
        assert len(group.prefix) + len(segment) <= 48
        kept = sum(token == 6 for token in segment)
        specials = 3 + (conventions.layout == "shared" or conventions.double_separator)
        assert kept == min(length, max(20, 48 - specials - instruction))
        assert cut.response == length - kept
        assert cut.instruction == instruction - sum(token == 5 for token in (*group.prefix, *segment))


def test_what_a_candidate_keeps_of_the_instruction_ignores_its_company() -> None:
    limits = Limits(max_tokens=40, response_tokens=10)
    alone = encode_group([5] * 50, [[6]], SHARED, limits)
    beside = encode_group([5] * 50, [[6], [7] * 10], SHARED, limits)
    assert alone.prefix == beside.prefix


@pytest.mark.parametrize("conventions", [SHARED, JOINT, ROBERTA])
def test_a_long_response_has_what_its_instruction_leaves_and_keeps_its_start_and_its_end(
    conventions: Conventions,
) -> None:
    response = list(range(100, 200))
    segment = encode_group([5] * 4, [response], conventions, Limits(max_tokens=40, response_tokens=10)).segments[0]
    kept = [token for token in segment if token >= 100]
    assert len(kept) > 30
    assert kept[0] == 100 and kept[-1] == 199
    capped = Limits(max_tokens=40, response_tokens=10, response_limit=10)
    assert sum(token >= 100 for token in encode_group([5] * 4, [response], conventions, capped).segments[0]) == 10


@pytest.mark.parametrize("bad", [{"max_tokens": 10, "response_tokens": 5}, {"response_tokens": 0}, {"side": "top"}])
def test_limits_without_room_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Limits(**bad)  # type: ignore[arg-type]


@given(st.lists(st.integers(1, 12), min_size=1, max_size=20), st.sampled_from([1, 3, 16]))
def test_spread_leads_to_every_token_and_back(lengths: list[int], multiple: int) -> None:
    index, valid, inverse = spread(np.array(lengths), fit=lambda size: -(-size // multiple) * multiple)
    assert index.shape[1] % multiple == 0
    tokens = np.arange(sum(lengths))
    assert tokens[index][valid].tolist() == tokens.tolist()
    assert index.reshape(-1)[inverse].tolist() == tokens.tolist()


@given(st.integers(1, 10**6), st.sampled_from([1, 16]))
def test_few_sizes_are_few_near_and_stay(size: int, least: int) -> None:
    fitted = few_sizes(size, least)
    assert size <= fitted < size + max(least, size / 7)
    assert fitted % least == 0
    assert few_sizes(fitted, least) == fitted


def test_eight_sizes_lie_between_a_number_and_its_double() -> None:
    assert sorted({few_sizes(size) for size in range(513, 1025)}) == [*range(576, 1025, 64)]


@given(sizes, st.integers(1, 900))
def test_batches_hold_everything_once_and_keep_the_budget(items: list[Size], budget: int) -> None:
    batches = list(token_batches(items, budget))
    assert sorted(index for batch in batches for index in batch) == list(range(len(items)))
    for batch in batches:
        assert len(batch) == 1 or sum(items[i].tokens for i in batch) <= budget


def test_groups_of_many_short_candidates_and_of_few_long_ones_fill_batches() -> None:
    draw = np.random.default_rng(0)
    lists = [Size(int(draw.integers(20, 190)), 24, 6, int(draw.integers(80, 130))) for _ in range(500)]
    passages = [Size(int(draw.integers(20, 190)), 5, 40, int(draw.integers(80, 180))) for _ in range(500)]
    items = [*lists, *passages]
    batches = list(token_batches(items, 6000))
    assert len(batches) < 1.2 * sum(item.tokens for item in items) / 6000


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 100))
def test_a_split_group_is_the_same_group_in_parts(lengths: list[int], budget: int) -> None:
    group = encode_group([9, 9], [[n] * n for n in lengths], SHARED, Limits())
    parts = list(split_group(group, budget))
    assert [segment for _, part in parts for segment in part.segments] == list(group.segments)
    assert all(part.prefix == group.prefix for _, part in parts)
    assert [start for start, _ in parts] == np.cumsum([0, *(len(p.segments) for _, p in parts)])[:-1].tolist()


def test_cut_says_what_was_cut() -> None:
    assert str(Cut(3, 0)) == "3 instruction tokens cut"
    assert not Cut()
