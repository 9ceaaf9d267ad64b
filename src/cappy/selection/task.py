"""`cappy.learn_choosing`: from a task's examples and a language model to a scorer that has learnt to choose."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cappy.checkpoint.sidecar import CHOOSING
from cappy.errors import InputError
from cappy.group import Example, as_examples
from cappy.llm.decoding import Decoding, parse_plan
from cappy.llm.model import LanguageModel, Sample
from cappy.metrics.references import Labeller, rouge_l
from cappy.scorer import Scorer
from cappy.selection.fit import FEWEST
from cappy.selection.learned import Report, fit_choosing, report_of, save_choosing

log = logging.getLogger("cappy.selection")

GIVEN = "given"
"""Decoding name of samples that come from a file."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A scorer that has learnt to choose, its folder, and its `Report`."""

    folder: Path
    scorer: Scorer
    report: Report


def learn_choosing(
    scorer: Scorer,
    examples: Sequence[Example | tuple[str, str]],
    output: Path | str,
    *,
    llm: LanguageModel | None = None,
    plan: str | Sequence[Decoding] = "paper",
    samples: Sequence[Sequence[str | Sample]] | None = None,
    labeller: Labeller = rouge_l,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Taught:
    """Learn from a task's examples how to choose among a language model's samples, in seconds and without torch.

    It learns weights of Cappy's score, the model's own likelihood, agreement, form, and similarity to known answers.
    They are saved with the scorer in the folder `output`, where `BestOfN` finds them (selector `learnt`).

    Args:
        scorer: provides scores and embeddings; it is not changed.
        examples: with references, or (instruction, response) pairs; ten at least, better forty.
        output: folder of the new checkpoint, which loads like any other.
        llm: the language model to sample from.
        plan: how to sample; see `cappy.llm.decoding.parse_plan`.
        samples: responses at hand, a list per example, instead of `llm`.
        labeller: rates a sample against the references, in [0, 1].
        seed: decides the samples and the cross-validation folds.
        advance: called with the number of examples sampled.

    Raises:
        InputError: there is nothing to choose among, or too few examples have samples that differ in worth.

    """
    CHOOSING.check_place(Path(output))
    rows = as_examples(examples)
    if (samples is None) == (llm is None):
        raise InputError("learning to choose needs a language model, or its samples, and not both.")
    if len(rows) < FEWEST:
        raise InputError(f"learning to choose needs {FEWEST} examples or more, but there are {len(rows)}.")
    if samples is not None:
        drawn = [[one if isinstance(one, Sample) else Sample(one, GIVEN) for one in of] for of in samples]
    else:
        assert llm is not None
        decodings = parse_plan(plan) if isinstance(plan, str) else tuple(plan)
        drawn = sampled(llm, [row.instruction for row in rows], decodings, seed, advance)
    choosing, weighed = fit_choosing(scorer, rows, drawn, labeller, seed)
    report = report_of(weighed, drawn)
    folder = save_choosing(Path(output), scorer.checkpoint.folder, choosing, report)
    return Taught(folder, scorer.like(folder), report)


def sampled(
    llm: LanguageModel,
    prompts: Sequence[str],
    plan: Sequence[Decoding],
    seed: int,
    advance: Callable[[int], None] | None = None,
    together: int = 8,
) -> list[list[Sample]]:
    """Draw a plan's samples for prompts, a few prompts at a time; failures are logged and left out."""
    found: list[list[Sample]] = []
    for start in range(0, len(prompts), together):
        part: list[list[Sample]] = [[] for _ in prompts[start : start + together]]
        for decoding in plan:
            for place, samples in enumerate(llm.generate(prompts[start : start + together], decoding, seed)):
                part[place] += samples.samples
                if samples.error:
                    log.warning("%s", samples.error)
        found += part
        if advance:
            advance(len(part))
    return found
