from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cappy.runtime.onnx_session import byte_product, quantise, weight_levels


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
