from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

import cappy
from cappy.layout.pack import few_sizes, pack
from cappy.runtime.feeds import batch_inputs, filled, place_inputs
from cappy.runtime.onnx_session import OnnxRuntime

WORDS = "what is right or wrong yes no where the dog in paris".split()


@pytest.mark.parametrize("family", ["shared_bert", "mpnet", "modernbert"])
def test_filled_inputs_have_few_shapes_and_keep_what_they_had(request: pytest.FixtureRequest, family: str) -> None:
    folder: Path = request.getfixturevalue(family)
    scorer, draw = cappy.load(folder, layout="shared"), random.Random(0)
    for _ in range(20):
        texts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 30))) for _ in range(12)]
        groups = scorer.encode([(texts[0], texts[1 : draw.randint(2, 6)]), (texts[6], texts[7 : draw.randint(8, 12)])])
        batch = pack(groups, scorer.conventions)
        exact = batch_inputs(batch) | place_inputs(batch, scorer.checkpoint.spec)
        for name, array in filled(exact, few_sizes).items():
            assert len(array) == (1 if len(exact[name]) == 1 else few_sizes(len(exact[name])))
            np.testing.assert_array_equal(array[: len(exact[name])], exact[name])
            if name.endswith("_bias"):
                assert (array[len(exact[name]) :] < -1e8).all()


class Few(OnnxRuntime):
    """The same graph on batches in few shapes."""

    few_shapes = True


@pytest.mark.parametrize("family", ["bert", "mpnet", "modernbert"])
@pytest.mark.parametrize("layout", ["shared", "joint"])
def test_few_shapes_change_no_score(request: pytest.FixtureRequest, family: str, layout: str) -> None:
    """The same graph, with and without padding to few shapes."""
    folder: Path = request.getfixturevalue(family)
    scorer, draw = cappy.load(folder, layout=layout, precision="fp32"), random.Random(1)
    checkpoint = scorer.checkpoint
    plain, few = (kind(checkpoint.spec, checkpoint.read_weights(), layout, "fp32") for kind in (OnnxRuntime, Few))
    for _ in range(10):
        texts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 30))) for _ in range(9)]
        batch = pack(scorer.encode([(texts[0], texts[1:4]), (texts[4], texts[5:])]), scorer.conventions)
        np.testing.assert_allclose(few.score(batch), plain.score(batch), atol=1e-5)
        np.testing.assert_allclose(few.means(batch, (1,)), plain.means(batch, (1,)), atol=1e-5)
