"""Adapting a scorer to a task: supervision without touching the language model (Tan et al., 2023, section 3.3).

The training set is built as in the paper: references are labelled 1, other examples' references 0, and the language
model's own samples by Rouge-L against the references. Only the scorer learns.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cappy.checkpoint.save import save_checkpoint, scorer_config
from cappy.data.negatives import WrongAnswers, make_groups, merge
from cappy.data.sampling import with_samples
from cappy.errors import InputError, MissingExtraError
from cappy.group import Candidate, Example, Group, as_examples
from cappy.llm.decoding import Decoding, parse_plan
from cappy.llm.model import LanguageModel
from cappy.metrics.references import Labeller, rouge_l
from cappy.scorer import Scorer

if TYPE_CHECKING:
    from cappy.training.finetune import Tuning

log = logging.getLogger("cappy.training")

HELD_OUT = 0.2
"""Share of the examples held out to decide when to stop."""
FEWEST = 4
"""Minimum number of examples."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """The adapted scorer, its folder, and a report of before and after on the held-out examples.

    `before` and `after` are the mean labels, in [0, 1], of the chosen candidates: accuracy for classification, Rouge-L
    of the chosen sample if there are samples.
    """

    folder: Path
    scorer: Scorer
    before: float
    after: float
    report: dict[str, Any]
    held_out: tuple[int, ...] = ()
    """Indices of the held-out examples, which decided when to stop."""


def adapt(
    scorer: Scorer,
    examples: Sequence[Example | tuple[str, str]],
    output: Path | str,
    *,
    llm: LanguageModel | None = None,
    plan: str | Sequence[Decoding] = "paper",
    samples: Sequence[Sequence[str]] | None = None,
    labeller: Labeller = rouge_l,
    tuning: Tuning | None = None,
    seed: int = 0,
    held_out: Collection[int] | None = None,
    advance: Callable[[int], None] | None = None,
) -> Adapted:
    """Train `scorer` further on a task's examples and save the result in the folder `output`.

    Args:
        scorer: the starting point; it is not changed.
        examples: with references (and choices, for classification), or (instruction, response) pairs.
        output: folder of the new checkpoint, which loads like any other.
        llm: a language model to sample more candidates from.
        plan: how to sample; see `cappy.llm.decoding.parse_plan`.
        samples: a language model's responses at hand, a list per example, instead of `llm`.
        labeller: rates samples against the references, in [0, 1].
        tuning: learning rate, epochs and so on.
        seed: decides the split, negatives, samples and order.
        held_out: indices of the examples that decide when to stop, instead of a random fifth.
        advance: called after every epoch.

    Raises:
        InputError: there are fewer than four examples, or no negatives can be found for them.
        MissingExtraError: torch is not installed.

    """
    try:
        from cappy.training.finetune import Tuning, finetune
    except ImportError as error:
        raise MissingExtraError("adapting", "train") from error
    folder = Path(output)
    check_target(folder)
    rows = as_examples(examples)
    usable = task_groups(rows, seed=seed)
    if held_out is None:
        learnt, held = split(rows, usable, seed)
    else:
        chosen = set(held_out)
        learnt, held = ([number for number in usable if (number in chosen) is apart] for apart in (False, True))
    groups = task_groups(rows, llm=llm, plan=plan, samples=samples, labeller=labeller, apart=frozenset(held), seed=seed)
    training = [groups[number] for number in learnt if number in groups]
    held_groups = [groups[number] for number in held]
    if not training:
        raise InputError(
            f"of {len(rows)} examples {len(held)} are held out, and the other {len(learnt)} all have the same answer; "
            "more examples with different answers are needed."
        )
    log.info("%d of %d examples are held out to decide when to stop", len(held), len(rows))
    tuning = tuning or Tuning()
    encode, weights = _encoder(scorer, seed)
    spec, conventions = scorer.checkpoint.spec, scorer.conventions
    tuned = finetune(spec, weights, conventions, encode(training), encode(held_groups), tuning, seed, advance)
    report = {
        "examples": len(rows),
        "training_groups": len(training),
        "held_out_groups": len(held_groups),
        "candidates": sum(len(group.candidates) for group in groups.values()),
        "language_model": llm.name if llm else None,
        "tuning": asdict(tuning),
        "seed": seed,
        "held_out_losses": list(tuned.losses),
        "best_epoch": tuned.best_epoch,
    }
    # The weights of length, agreement and nearness were fitted for the scorer before adaptation.
    fitted = ("selection", "nearness")
    settings = {name: value for name, value in scorer.checkpoint.settings.items() if name not in fitted}
    config = scorer_config(scorer.checkpoint.config, {**settings, "adapted": report})
    card = _card(folder.name, scorer.checkpoint.folder.name, report)
    save_checkpoint(folder, config, tuned.weights, scorer.checkpoint.folder, card)
    adapted = scorer.like(folder)
    before, after = (chosen_label(held_groups, one) for one in (scorer, adapted))
    return Adapted(folder, adapted, before, after, {**report, "before": before, "after": after}, tuple(held))


def check_target(folder: Path) -> None:
    """Refuse a target that holds anything but a checkpoint, because it will be replaced.

    Raises:
        InputError: the target is a file, or a folder of other things.

    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / "config.json").is_file() or not any(folder.glob("model*.safetensors")):
        raise InputError(f"{folder} exists and is not a checkpoint; name a new folder for the adapted scorer.")


def task_groups(
    examples: Sequence[Example],
    *,
    llm: LanguageModel | None = None,
    plan: str | Sequence[Decoding] = "paper",
    samples: Sequence[Sequence[str]] | None = None,
    labeller: Labeller = rouge_l,
    wrong: WrongAnswers | None = None,
    apart: Collection[int] = (),
    seed: int = 0,
) -> dict[int, Group]:
    """Build a task's labelled groups by example index: references, choices or negatives, and samples.

    Examples in `apart` give the others no negatives, so that training does not see what is held out.

    Raises:
        InputError: `samples` does not fit, or too few examples give a group.

    """
    if samples is not None and (llm is not None or len(samples) != len(examples)):
        raise InputError(f"samples must be one list for each of the {len(examples)} examples, without an llm.")
    together = [replace(example, task="", template="") for example in examples]
    made = dict(make_groups(together, wrong or WrongAnswers(near=0, far=4), seed))
    if len(made) < FEWEST:
        different = len({example.references for example in examples})
        raise InputError(
            f"adapting needs {FEWEST} examples for which there are negatives; there are {len(examples)} "
            f"examples with {different} different {'answer' if different == 1 else 'answers'}."
        )
    if apart:
        rest = [number for number in range(len(examples)) if number not in apart]
        lent = make_groups([together[number] for number in rest], wrong or WrongAnswers(near=0, far=4), seed)
        made = {number: made[number] for number in made if number in apart} | {rest[i]: group for i, group in lent}
    if samples is not None:
        for number, group in made.items():
            references = examples[number].references
            drawn = [
                Candidate(text, labeller(text, references), "sample:given") for text in samples[number] if text.strip()
            ]
            made[number] = replace(group, candidates=merge([*group.candidates, *drawn]))
    if llm is not None:
        decodings = parse_plan(plan) if isinstance(plan, str) else tuple(plan)
        warn = log.warning
        more = with_samples(list(made.values()), llm, decodings, labeller, seed, lambda _, why: warn("%s", why))
        made = dict(zip(made, more, strict=True))
    return {number: made[number] for number in sorted(made)}


def split(
    examples: Sequence[Example], numbers: Iterable[int], seed: int, share: float = HELD_OUT
) -> tuple[list[int], list[int]]:
    """Split example indices at random into those to learn from and at least two that decide when to stop.

    Examples that ask the same stay together.

    Raises:
        InputError: all ask the same, or too few ask different questions.

    """
    order = list(numbers)
    random.Random(f"{seed}:split").shuffle(order)
    wanted = max(2, round(share * len(order)))
    held: dict[str, list[int]] = {}
    for number in order:
        asked = examples[number].instruction
        if asked in held or sum(map(len, held.values())) < wanted:
            held.setdefault(asked, []).append(number)
    training = [number for number in order if examples[number].instruction not in held]
    if not training:
        raise InputError(
            f"the {len(order)} examples ask too few different questions to hold some of them out ({len(held)})."
        )
    return training, [number for one in held.values() for number in one]


def chosen_label(groups: Sequence[Group], scorer: Scorer) -> float:
    """Return the mean label, in [0, 1], of the best-scored candidates, or of the best samples if there are any."""
    found = []
    for group in groups:
        sampled = [c for c in group.candidates if c.sampled]
        pool = sampled or group.candidates
        scores = scorer.score(group.instruction, [candidate.text for candidate in pool])
        found.append(pool[int(np.argmax(scores))].label or 0.0)
    return float(np.mean(found))


def _encoder(scorer: Scorer, seed: int) -> tuple[Callable[[Sequence[Group]], Any], dict[str, Any]]:
    """Return a tokenizing function with the scorer's limits, and its weights as tensors."""
    import torch

    from cappy.training.batches import encode_groups

    tokenizer, conventions, limits = scorer.checkpoint.tokenizer, scorer.conventions, scorer.limits
    weights = {
        name: torch.from_numpy(array.astype(np.float32)) for name, array in scorer.checkpoint.read_weights().items()
    }
    return lambda groups: encode_groups(groups, tokenizer, conventions, limits, 10**6, seed), weights


def _card(name: str, base: str, report: dict[str, Any]) -> str:
    lines = [f"# {name}", "", f"`{base}` adapted to one task with `cappy adapt`.", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in report.items()]
    return "\n".join(lines) + "\n"
