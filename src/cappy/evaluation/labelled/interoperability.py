"""A checkpoint in other libraries: their joint layout compared with the joint and shared layouts here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cappy.errors import InputError, MissingExtraError
from cappy.evaluation.labelled.agreement import accuracy, mean_kendall, top1_agreement
from cappy.group import Group
from cappy.scorer import load

Scores = list[list[float]]


@dataclass(frozen=True, slots=True)
class LayoutAgreement:
    """The joint layout of other libraries compared with the joint and the shared layout here.

    `left_out`: groups over the token limit, which every library truncates in its own way. `cross_encoder`, `pipeline`:
    their largest score differences from the joint layout here, all in fp32. The rest compares the CrossEncoder with the
    shared layout: the share of groups with the same top candidate, the mean of Kendall's tau-a over groups, in [-1, 1],
    and the accuracy of each.
    """

    groups: int
    left_out: int
    cross_encoder: float
    pipeline: float
    top1_agreement: float
    kendall: float
    joint_accuracy: float
    shared_accuracy: float


def compare_layouts(folder: Path, groups: Sequence[Group], precision: str | None = None) -> LayoutAgreement:
    """Score labelled groups in the shared layout, with `precision`, and in the joint layout here and in two libraries.

    Raises:
        InputError: every group is too long to be compared.
        MissingExtraError: sentence-transformers or transformers is not installed.

    """
    joint, shared = load(folder, layout="joint", precision="fp32"), load(folder, layout="shared", precision=precision)
    scored = list(zip(groups, joint.score_groups(groups), shared.score_groups(groups), strict=True))
    whole = [item for item in scored if not any((*item[1].cuts, *item[2].cuts))]
    if not whole:
        raise InputError("every group exceeds the token limit, so the layouts cannot be compared on the same text.")
    kept = [group for group, _, _ in whole]
    own = [list(alone.scores) for _, alone, _ in whole]
    packed = [list(together.scores) for _, _, together in whole]
    encoder, pipeline = cross_encoder_scores(folder, kept), pipeline_scores(folder, kept)
    return LayoutAgreement(
        groups=len(kept),
        left_out=len(groups) - len(kept),
        cross_encoder=_largest(own, encoder),
        pipeline=_largest(own, pipeline),
        top1_agreement=top1_agreement(encoder, packed),
        kendall=mean_kendall(encoder, packed),
        joint_accuracy=accuracy(kept, encoder),
        shared_accuracy=accuracy(kept, packed),
    )


def cross_encoder_scores(folder: Path, groups: Sequence[Group]) -> Scores:
    """Score with `sentence_transformers.CrossEncoder(folder).predict` in float32, with default options."""
    try:
        from sentence_transformers import CrossEncoder
    except ImportError as error:
        raise MissingExtraError("comparing with sentence-transformers", "compare") from error
    encoder = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": "float32"})
    return _split(encoder.predict(_pairs(groups), show_progress_bar=False), groups)


def pipeline_scores(folder: Path, groups: Sequence[Group]) -> Scores:
    """Score with `transformers.pipeline("text-classification", folder)` in float32, with default options."""
    try:
        from transformers import pipeline
    except ImportError as error:
        raise MissingExtraError("comparing with transformers", "compare") from error
    classifier: Any = pipeline("text-classification", str(folder), device="cpu", dtype="float32")
    asked = [{"text": instruction, "text_pair": response} for instruction, response in _pairs(groups)]
    return _split([answer["score"] for answer in classifier(asked, batch_size=32)], groups)


def _pairs(groups: Sequence[Group]) -> list[tuple[str, str]]:
    return [(group.instruction, candidate.text) for group in groups for candidate in group.candidates]


def _split(flat: Sequence[float], groups: Sequence[Group]) -> Scores:
    """Split flat scores by group."""
    ends = np.cumsum([len(group.candidates) for group in groups])
    return [list(map(float, part)) for part in np.split(np.asarray(flat, dtype=np.float64), ends[:-1])]


def _largest(one: Scores, other: Scores) -> float:
    return float(max(np.abs(np.subtract(a, b)).max() for a, b in zip(one, other, strict=True)))
