"""Rows of tokens: every token stands once, groups stay whole, and the encoder scores them as it does packed ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cappy
from cappy.layout.encode import Conventions, EncodedGroup
from cappy.layout.pack import pack
from cappy.layout.rows import PADDING, lay_in_rows
from cappy.runtime.torch_encoder import Encoder
from cappy.runtime.torch_rows import RowTensors
from tests.conftest import WORDS

SHARED = Conventions("shared", 1, 2, False, True, 0)
segments = st.lists(st.integers(1, 30), min_size=1, max_size=6)


@settings(deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 60), segments), min_size=1, max_size=20), length=st.sampled_from([64, 128])
)
def test_every_token_stands_once_and_groups_stay_in_a_row(sizes, length):
    groups, ids = [], iter(range(10**6))
    for prefix, lengths in sizes:
        parts = [tuple(next(ids) for _ in range(n)) for n in (prefix, *lengths)]
        groups.append(EncodedGroup(parts[0], tuple(parts[1:]), (0,) * len(lengths), ()))
    batch = pack(groups, SHARED)
    rows = lay_in_rows(batch, length)
    real = rows.groups != PADDING
    assert sorted(rows.ids[real]) == list(range(batch.tokens))
    for number, group in enumerate(groups):
        where = np.argwhere(rows.groups == number)
        assert len(set(where[:, 0])) == 1  # one row
        assert len(where) == group.tokens
        flat = rows.ids[rows.groups == number]
        assert list(flat) == [*group.prefix, *(i for segment in group.segments for i in segment)]
    assert list(rows.ids.flatten()[rows.starts]) == [segment[0] for group in groups for segment in group.segments]
    wasted = rows.ids.size - batch.tokens
    assert wasted < rows.ids.size / 2 + rows.ids.shape[1]  # first-fit fills rows at least half


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "modernbert"])
@pytest.mark.parametrize("layout", ["shared", "joint"])
def test_scores_equal_those_of_packed_tokens(request: pytest.FixtureRequest, family: str, layout: str) -> None:
    folder: Path = request.getfixturevalue(family)
    scorer = cappy.load(folder, layout=layout, runtime="torch")
    draw = np.random.default_rng(0)

    def text(longest: int) -> str:
        return " ".join(draw.choice(WORDS, draw.integers(0, longest)))

    groups = [(text(40), [text(12) for _ in range(draw.integers(1, 6))]) for _ in range(9)]
    batch = pack(scorer.encode(groups), scorer.conventions)
    weights = {name: torch.from_numpy(array).float() for name, array in scorer.checkpoint.read_weights().items()}
    model = Encoder(scorer.checkpoint.spec, weights).eval()
    with torch.inference_mode():
        expected = model(batch)
        for length in (64, 512):
            rows = RowTensors.of(lay_in_rows(batch, length, multiple=8), torch.device("cpu"))
            assert model(rows).numpy() == pytest.approx(expected.numpy(), abs=1e-5)
