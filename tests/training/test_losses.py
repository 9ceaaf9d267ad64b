from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cappy.training.losses import listwise_loss, regression_loss

groups = st.lists(
    st.lists(st.tuples(st.floats(-2, 2), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=5),
    min_size=1,
    max_size=5,
)


def flat(cases: list[list[tuple[float, float]]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    scores = torch.tensor([score for case in cases for score, _ in case])
    labels = torch.tensor([label for case in cases for _, label in case])
    return scores, labels, torch.tensor([number for number, case in enumerate(cases) for _ in case])


@given(groups)
def test_losses_equal_their_definitions(cases: list[list[tuple[float, float]]]) -> None:
    scores, labels, number = flat(cases)
    squares = [[(score - label) ** 2 for score, label in case] for case in cases]
    balanced = sum(sum(case) / len(case) for case in squares) / len(cases)
    assert float(regression_loss(scores, labels, number, len(cases))) == pytest.approx(balanced, abs=1e-5)
    informative = [case for case in cases if sum(label for _, label in case) > 0]
    expected = 0.0
    for case in informative:
        normaliser = math.log(sum(math.exp(score / 0.5) for score, _ in case))
        total = sum(label for _, label in case)
        expected -= sum(label / total * (score / 0.5 - normaliser) for score, label in case)
    got = float(listwise_loss(scores, labels, number, len(cases), temperature=0.5))
    assert got == pytest.approx(expected / max(1, len(informative)), abs=1e-4)


def test_listwise_loss_has_a_gradient_that_raises_the_right_one() -> None:
    scores = torch.zeros(3, requires_grad=True)
    listwise_loss(scores, torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0, 0, 0]), 1, 0.5).backward()
    assert scores.grad is not None
    assert scores.grad[1] < 0 < scores.grad[0]
