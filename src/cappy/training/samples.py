"""A language model's samples as candidates, labelled by Rouge-L against the references (Tan et al., 2023, section 3.1).

A file of samples has the columns source, instruction, references, cut, and one per decoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cappy.data.negatives import merge
from cappy.files.rows import read_rows
from cappy.group import Candidate, Group
from cappy.metrics.references import exact_match, rouge_l

TASK = "samples"
_NO_DECODING = ("source", "instruction", "references", "cut")

Sampled = Mapping[str, Mapping[str, str]]
"""Samples by instruction, then by decoding."""


def read_samples(path: Path) -> Sampled:
    """Read samples; instructions without references are skipped."""
    return {
        row["instruction"]: {name: text for name, text in row.items() if name not in _NO_DECODING and text.strip()}
        for row in read_rows(path)
        if row["references"]
    }


def sample_candidates(samples: Mapping[str, str], references: Sequence[str]) -> list[Candidate]:
    """Label samples by Rouge-L; 1 if equal to a reference after `normalise`."""
    return [
        Candidate(text, exact_match(text, references) or rouge_l(text, references), f"sample:{decoding}")
        for decoding, text in samples.items()
    ]


def sampled_group(group: Group, samples: Mapping[str, str], others: int) -> Group:
    """Return a group with the same instruction: its references, up to `others` wrong answers, and the samples."""
    right = [one for one in group.candidates if one.is_right]
    wrong = [one for one in group.candidates if not one.is_right][:others]
    labelled = sample_candidates(samples, [one.text for one in right])
    return Group(group.instruction, merge([*right, *wrong, *labelled]), TASK, group.template)
