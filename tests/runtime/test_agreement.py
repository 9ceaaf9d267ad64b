"""Every layout, runtime and precision against the slow reference, and the promise that company changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cappy
from cappy.runtime.processor import native_bfloat16
from tests.conftest import WORDS
from tests.reference import TWO_SEPARATORS, ReferenceScorer

GROUPS = [
    ("what is the capital of france", ["paris", "london is a city", "rome", "the river and the wind", ""]),
    ("is the sky green or blue ?", ["blue", "no"]),
    ("", ["yes"]),
    ("think : which animal is in the house and not in the water " * 3, ["cat", "dog dog dog", "a b c d e f g"] * 3),
]
FAMILIES = ("bert", "roberta", "mpnet", "electra", "modernbert")
FP32 = [("onnx", layout, family) for layout in ("shared", "joint") for family in FAMILIES]
FP32 += [("torch", layout, family) for layout in ("shared", "joint") for family in FAMILIES]
FP32 += [("openvino", layout, family) for layout in ("shared", "joint") for family in FAMILIES]
TOLERANCE = {"torch": 1e-5, "onnx": 1e-4, "openvino": 1e-4}

needs_bfloat16 = pytest.mark.skipif(not native_bfloat16(), reason="the processor has no bfloat16 units")
texts = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
slow = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def folder(request: pytest.FixtureRequest, family: str) -> Path:
    return request.getfixturevalue(family)


@pytest.mark.parametrize(("runtime", "layout", "family"), FP32)
def test_scores_equal_the_reference(request: pytest.FixtureRequest, runtime: str, layout: str, family: str) -> None:
    path = folder(request, family)
    scorer = cappy.load(path, runtime=runtime, layout=layout, precision="fp32")
    reference = ReferenceScorer(path, layout)
    for (instruction, responses), scored in zip(GROUPS, scorer.score_groups(GROUPS), strict=True):
        expected = [reference.score(instruction, response) for response in responses]
        assert scored.scores == pytest.approx(expected, abs=TOLERANCE[runtime])
        assert len(responses) == 1 or np.std(expected) > 1e-3  # a reference of equal scores would test nothing


@pytest.mark.parametrize("family", ["mpnet", "modernbert"])
@pytest.mark.parametrize("layout", ["shared", "joint"])
@pytest.mark.parametrize("runtime", ["torch", pytest.param("openvino", marks=needs_bfloat16)])
def test_bfloat16_is_near_fp32(request: pytest.FixtureRequest, runtime: str, layout: str, family: str) -> None:
    path = folder(request, family)
    exact, rounded = (cappy.load(path, runtime=runtime, layout=layout, precision=p) for p in ("fp32", "bf16"))
    for one, other in zip(exact.score_groups(GROUPS), rounded.score_groups(GROUPS), strict=True):
        assert one.scores != other.scores
        assert other.scores == pytest.approx(one.scores, abs=0.2)  # int8 of such an encoder is as far


@pytest.mark.parametrize("family", FAMILIES)
def test_joint_scores_equal_transformers_logits(request: pytest.FixtureRequest, family: str) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    path = folder(request, family)
    model = AutoModelForSequenceClassification.from_pretrained(path).eval()
    reference = ReferenceScorer(path, "joint")
    cls, sep = reference.tokenizer.cls_id, reference.tokenizer.sep_id
    for runtime in ("onnx", "torch"):
        scorer = cappy.load(path, runtime=runtime)
        for instruction, responses in GROUPS:
            for response in responses:
                first, second = reference.tokenizer.encode([instruction, response])
                middle = [sep, sep] if family in TWO_SEPARATORS else [sep]
                ids = [cls, *first, *middle, *second, sep]
                types = [0] * (len(first) + 2) + [1] * (len(second) + 1)
                with torch.no_grad():
                    typed = {"token_type_ids": torch.tensor([types])} if family in ("bert", "electra") else {}
                    out = model(input_ids=torch.tensor([ids]), **typed)
                expected = pytest.approx(float(out.logits[0, 0]), abs=TOLERANCE[runtime])
                assert scorer.score(instruction, response) == expected


@pytest.mark.parametrize("layout", ["shared", "joint"])
@pytest.mark.parametrize(
    ("runtime", "precision", "tolerance"),
    [
        ("onnx", "fp32", 1e-5),
        ("onnx", "int8", 1e-4),
        ("openvino", "fp32", 1e-5),
        ("openvino", "bf16", 2e-2),
        ("torch", None, 1e-5),
        ("torch", "bf16", 2e-2),
    ],
)
@slow
@given(data=st.data())
def test_company_and_order_change_nothing(
    bert: Path,
    mpnet: Path,
    modernbert: Path,
    layout: str,
    runtime: str,
    precision: str | None,
    tolerance: float,
    data: st.DataObject,
) -> None:
    scorer = _scorer(data.draw(st.sampled_from([bert, mpnet, modernbert])), runtime, layout, precision)
    instruction = data.draw(texts)
    responses = data.draw(st.lists(texts, min_size=1, max_size=6))
    company = data.draw(st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=4)), max_size=4))
    order = data.draw(st.permutations(range(len(responses))))
    alone = [scorer.score(instruction, response) for response in responses]
    groups = [*company, (instruction, [responses[i] for i in order])]
    together = list(scorer.score_groups(groups))[-1].scores
    assert together == pytest.approx([alone[i] for i in order], abs=tolerance)


_loaded: dict[tuple[object, ...], cappy.Scorer] = {}


def _scorer(path: Path, runtime: str, layout: str, precision: str | None) -> cappy.Scorer:
    key = (path, runtime, layout, precision)
    if key not in _loaded:
        _loaded[key] = cappy.load(path, runtime=runtime, layout=layout, precision=precision)
    return _loaded[key]


@pytest.mark.parametrize("layout", ["shared", "joint"])
def test_int8_stays_near_fp32(bert: Path, layout: str) -> None:
    exact = cappy.load(bert, runtime="onnx", layout=layout, precision="fp32")
    rounded = cappy.load(bert, runtime="onnx", layout=layout, precision="int8")
    pairs = [
        (e.scores, r.scores) for e, r in zip(exact.score_groups(GROUPS), rounded.score_groups(GROUPS), strict=True)
    ]
    differences = np.concatenate([np.abs(np.subtract(e, r)) for e, r in pairs])
    assert 1e-7 < differences.max() < 0.15  # a random encoder is harsher than a trained one; 0 would mean no rounding


def test_a_group_of_thousands_is_split_and_scores_the_same(shared_bert: Path) -> None:
    scorer = cappy.load(shared_bert)
    responses = [f"{WORDS[i % 50]} {WORDS[i % 31]} {i}" for i in range(3000)]
    together = scorer.score("what is right ?", responses)
    for index in (0, 1, 1499, 2999):
        assert together[index] == pytest.approx(scorer.score("what is right ?", responses[index]), abs=1e-5)


@pytest.mark.parametrize("runtime", ["onnx", "openvino", "torch"])
def test_threads_share_a_scorer(shared_bert: Path, runtime: str) -> None:
    scorer = cappy.load(shared_bert, runtime=runtime)
    expected = [scored.scores for scored in scorer.score_groups(GROUPS)]
    with ThreadPoolExecutor(4) as pool:
        for results in pool.map(lambda _: [s.scores for s in scorer.score_groups(GROUPS)], range(12)):
            for got, wanted in zip(results, expected, strict=True):
                assert got == pytest.approx(wanted, abs=1e-5)
