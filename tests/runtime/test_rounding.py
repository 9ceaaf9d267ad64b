from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cappy
from cappy.runtime.graph_weights import quantise
from cappy.runtime.onnx_session import byte_product, weight_levels


@given(st.integers(0, 2**32 - 1), st.sampled_from([63, 127]))
def test_rounded_weights_are_within_half_a_step(seed: int, levels: int) -> None:
    weight = np.random.default_rng(seed).normal(size=(5, 7)).astype(np.float32)
    integers, scale = quantise(weight, levels)
    assert np.abs(integers).max() == levels
    assert np.all(np.abs(integers.T * scale[:, None] - weight) <= 0.5001 * scale[:, None])


def test_a_weight_of_zeros_stays_zero() -> None:
    integers, scale = quantise(np.zeros((2, 3)), 127)
    assert not integers.any()
    assert np.isfinite(scale).all()


def test_a_processor_that_saturates_gets_weights_of_seven_bits() -> None:
    assert weight_levels(64 * 255 * 127) == 127
    assert weight_levels(32 * 32767) == 63
    assert weight_levels(byte_product(threads=1)) in (63, 127)


def test_seven_bits_cannot_saturate() -> None:
    assert 2 * 255 * 63 <= 2**15 - 1 < 2 * 255 * 127
    assert byte_product(threads=1) == pytest.approx(64 * 255 * 127) or weight_levels(byte_product(threads=1)) == 63


def test_padding_by_longer_company_tips_no_rounding(shared_bert: Path) -> None:
    """A single row of queries was summed over groups of keys: padded to 34 keys, 22 gave another last bit."""
    asked = "dog right where cat no at not on yes paris where one france berlin film movie from think capital choose"
    longer = (
        "three wind in yes a choose sky five not blue wind four yes think film of film country city animal rome yes to "
        "blue think four movie france river from or three five where"
    )
    scorer = cappy.load(shared_bert, precision="int8", threads=1)
    group, company = scorer.encode([("where", ["who", "", asked]), ("", [longer, ""])])
    np.testing.assert_array_equal(scorer.score_encoded([group])[0], scorer.score_encoded([group, company])[0])
