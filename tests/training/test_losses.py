from __future__ import annotations

import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cappy.training.losses import (
    graded_listwise_loss,
    listwise_loss,
    pairwise_loss,
    regression_loss,
    training_loss,
)

groups = st.lists(
    st.lists(st.tuples(st.floats(-2, 2), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=5),
    min_size=1,
    max_size=5,
)


def flat(cases: list[list[tuple[float, float]]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    scores = torch.tensor([score for case in cases for score, _ in case])
    labels = torch.tensor([label for case in cases for _, label in case])
    return scores, labels, torch.tensor([number for number, case in enumerate(cases) for _ in case])


@settings(deadline=None)  # a busy machine is no failure
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


@settings(deadline=None)
@given(groups)
def test_pairwise_loss_equals_its_definition(cases: list[list[tuple[float, float]]]) -> None:
    scores, labels, number = flat(cases)
    losses = []
    for case in cases:
        pairs = [(a, b, la - lb) for a, la in case for b, lb in case if la > lb]
        if pairs:
            lost = [weight * math.log(1 + math.exp((b - a) / 0.5)) for a, b, weight in pairs]
            losses.append(sum(lost) / sum(weight for _, _, weight in pairs))
    expected = sum(losses) / max(1, len(losses))
    got = float(pairwise_loss(scores, labels, number, len(cases), temperature=0.5))
    assert got == pytest.approx(expected, abs=1e-4)


def slow_graded(case: list[tuple[float, float]], temperature: float) -> float:
    """Return the cross-entropy of two softmaxes, as the definition has it."""
    targets = [math.exp(label / temperature) for _, label in case]
    shares = [math.exp(score / temperature) for score, _ in case]
    return -sum(t / sum(targets) * math.log(s / sum(shares)) for t, s in zip(targets, shares, strict=True))


@settings(deadline=None)
@given(groups)
def test_graded_listwise_loss_equals_its_definition(cases: list[list[tuple[float, float]]]) -> None:
    scores, labels, number = flat(cases)
    expected = sum(slow_graded(case, 0.5) for case in cases) / len(cases)
    got = float(graded_listwise_loss(scores, labels, number, len(cases), temperature=0.5))
    assert got == pytest.approx(expected, abs=1e-4)


@settings(deadline=None)
@given(groups, st.randoms())
def test_each_group_has_the_listwise_loss_of_its_kind(
    cases: list[list[tuple[float, float]]], draw: random.Random
) -> None:
    scores, labels, number = flat(cases)
    graded = [draw.random() < 0.5 for _ in cases]
    total, counted = 0.0, 0
    for case, degrees in zip(cases, graded, strict=True):
        if degrees:
            total += 0.9 * slow_graded(case, 0.5)
            counted += 1
        elif any(label for _, label in case):
            total += 0.3 * float(listwise_loss(*flat([case]), 1, 0.5))
            counted += 1
    got = training_loss(
        scores,
        labels,
        number,
        len(cases),
        listwise=0.3,
        temperature=0.5,
        graded=torch.tensor(graded),
        graded_listwise=0.9,
    )
    expected = float(regression_loss(scores, labels, number, len(cases))) + total / max(1, counted)
    assert float(got) == pytest.approx(expected, abs=1e-4)


def test_graded_listwise_loss_is_least_at_the_labels_themselves() -> None:
    labels, number = torch.tensor([0.9, 0.8, 0.1]), torch.tensor([0, 0, 0])
    scores = labels.clone().requires_grad_()
    graded_listwise_loss(scores, labels, number, 1, 0.15).backward()
    assert scores.grad is not None
    assert torch.allclose(scores.grad, torch.zeros(3), atol=1e-6)


def test_training_loss_is_the_weighted_sum() -> None:
    case = torch.tensor([0.2, 0.9, 0.4]), torch.tensor([1.0, 0.0, 0.5]), torch.tensor([0, 0, 0]), 1
    alone = float(training_loss(*case, listwise=0.0))
    assert alone == pytest.approx(float(regression_loss(*case)))
    both = float(training_loss(*case, listwise=0.3, pairwise=0.2, temperature=0.5))
    more = 0.3 * float(listwise_loss(*case, 0.5)) + 0.2 * float(pairwise_loss(*case, 0.5))
    assert both == pytest.approx(alone + more)


def test_listwise_loss_has_a_gradient_that_raises_the_right_one() -> None:
    scores = torch.zeros(3, requires_grad=True)
    listwise_loss(scores, torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0, 0, 0]), 1, 0.5).backward()
    assert scores.grad is not None
    assert scores.grad[1] < 0 < scores.grad[0]
