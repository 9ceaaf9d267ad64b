"""A checkpoint in other people's stacks: the joint layout as they compute it, against the shared one here."""

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
    """The joint layout of other stacks beside the joint and the shared one of this package.

    `left_out` groups were cut to the token limit, which every stack does in its own way. `cross_encoder` and
    `pipeline` are the largest differences of their scores from the joint layout here, all in fp32. The rest compares
    the CrossEncoder's order with the shared layout's: the share of groups with the same best candidate, the mean over
    groups of Kendall's tau-a in [-1, 1], and the accuracy of each.
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
    """Score labelled groups in both layouts, the joint one three times over; `precision` is the shared layout's.

    Raises:
        InputError: every group is too long to be compared.
        MissingExtraError: sentence-transformers or transformers is not installed.

    """
    joint, shared = load(folder, layout="joint", precision="fp32"), load(folder, layout="shared", precision=precision)
    scored = list(zip(groups, joint.score_groups(groups), shared.score_groups(groups), strict=True))
    whole = [item for item in scored if not any((*item[1].cuts, *item[2].cuts))]
    if not whole:
        raise InputError("every group is over the token limit, so no two layouts read the same text.")
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
    """Score with `sentence_transformers.CrossEncoder(folder).predict`, in float32, options as they come."""
    try:
        from sentence_transformers import CrossEncoder
    except ImportError as error:
        raise MissingExtraError("comparing with sentence-transformers", "compare") from error
    encoder = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": "float32"})
    return _split(encoder.predict(_pairs(groups), show_progress_bar=False), groups)


def pipeline_scores(folder: Path, groups: Sequence[Group]) -> Scores:
    """Score with `transformers.pipeline("text-classification", folder)`, in float32, options as they come."""
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
    """Give every group its scores."""
    ends = np.cumsum([len(group.candidates) for group in groups])
    return [list(map(float, part)) for part in np.split(np.asarray(flat, dtype=np.float64), ends[:-1])]


def _largest(one: Scores, other: Scores) -> float:
    return float(max(np.abs(np.subtract(a, b)).max() for a, b in zip(one, other, strict=True)))
