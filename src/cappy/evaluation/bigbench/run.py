"""Boost a language model on BIG-Bench: sample, adapt, and record the values of all selectors."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cappy.adaptation.examples import Adapted, adapt
from cappy.data.bigbench import BigBenchExample, find_task
from cappy.errors import InputError
from cappy.evaluation.bigbench.boosting import judge
from cappy.files.atomic import write_json
from cappy.group import Example
from cappy.llm.cache import CHUNK, KeptSamples
from cappy.llm.decoding import PAPER_PLAN, Decoding, parse_plan
from cappy.llm.model import LanguageModel, Sample
from cappy.llm.prompts import worked_examples
from cappy.scorer import Scorer
from cappy.selection.learned import Choosing, by_sample, fit_choosing
from cappy.selection.selectors import SELECTORS, Pool, Values, scored

log = logging.getLogger("cappy.evaluation")


@dataclass(frozen=True, slots=True)
class Profile:
    """How much of each task is used, drawn at random by the seed; longer prompts lose their middle."""

    name: str
    train: int | None
    validation: int | None
    prompt_characters: int
    max_tokens: int
    plan: tuple[Decoding, ...] = PAPER_PLAN
    fit_length: bool = False
    """Whether the training references limit the length of responses; see `response_tokens`."""

    def __str__(self) -> str:
        """Describe the profile in one line."""
        counts = [f"{'all' if count is None else count} {part}" for count, part in self._parts()]
        plan = ", ".join(f"{one.name} × {one.count}" for one in self.plan)
        return (
            f"{self.name}: {' and '.join(counts)} examples a task, prompts of at most {self.prompt_characters:,} "
            f"characters, responses of at most {self.max_tokens} tokens"
            f"{', fewer where the training references are short' if self.fit_length else ''}; {plan}"
        )

    def _parts(self) -> tuple[tuple[int | None, str], ...]:
        return (self.train, "train"), (self.validation, "validation")

    def decodings(self, train: Sequence[Example]) -> tuple[Decoding, ...]:
        """Return the plan with response lengths that suit a task with these training examples."""
        most = min(self.max_tokens, response_tokens(train)) if self.fit_length else self.max_tokens
        return tuple(replace(one, max_tokens=most, min_tokens=min(one.min_tokens, most)) for one in self.plan)


PROFILES = {
    "tiny": Profile("tiny", 6, 3, 600, 6, parse_plan("beam2,sampling*2,topk40*2", max_tokens=6)),
    "quick": Profile("quick", 40, 20, 1500, 32, fit_length=True),
    "paper": Profile("paper", None, None, 12_000, 64),
}


@dataclass(frozen=True, slots=True)
class TaskRun:
    """The settings of a task's evaluation."""

    folder: Path
    output: Path
    profile: Profile
    seed: int
    keep_scorers: bool = False
    shots: int = 0
    """Training examples before every prompt of the language model; the scorer sees none."""
    finetune: bool = False
    """Whether the scorer is also trained on each task, besides learning to choose."""
    hub: str = ""
    """A data set on the Hugging Face hub for tasks that the folder lacks."""


def run_task(
    task: str, llm: LanguageModel, scorer: Scorer, run: TaskRun, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Sample, adapt and score one task, or read its finished result; saved samples are reused.

    Raises:
        InputError: the task cannot be read.
        LanguageModelError: the model fails; earlier samples are kept.

    """
    (run.output / "tasks").mkdir(parents=True, exist_ok=True)
    path = run.output / "tasks" / f"{task}.json"
    train, validation = (
        choose_examples(find_task(run.folder, task, part, run.hub), task, part, run) for part in ("train", "validation")
    )
    identity = _identity([*train, *validation], llm, scorer, run)
    found = _finished(path, identity)
    if found:
        return found
    decodings = run.profile.decodings(train)
    tell("sampling")
    samples, shown = {}, []
    for name, examples in (("validation", validation), ("train", train)):
        room = 2 * run.profile.prompt_characters
        worked = [worked_examples(train, one.instruction, run.shots, run.seed, room) for one in examples]
        shown += [len(one) for one in worked]
        prompts = ["\n\n".join([*before, one.instruction]) for before, one in zip(worked, examples, strict=True)]
        samples[name] = _sampled(llm, prompts, decodings, run.seed)
    tell("learning to choose")
    choosing, left_out = _learn(scorer, train, samples["train"], run.seed)
    adapted = None
    if run.finetune:
        tell("adapting")
        adapted = _adapt(task, scorer, train, samples["train"], run)
    tell("scoring")
    rows = []
    for example, drawn in zip(validation, samples["validation"], strict=True):
        if drawn:
            pool = scored(scorer, example.instruction, drawn)
            learnt = choosing.values(scorer, example.instruction, drawn, pool.scores) if choosing else None
            rows.append(_row(example, pool, adapted, learnt))
    result = {
        "identity": identity,
        "task": task,
        "train": len(train),
        "validation": len(validation),
        "worked_examples": sum(shown) / len(shown),
        "without_samples": sum(not drawn for drawn in samples["validation"]),
        "adaptation": adapted.report if adapted else None,
        "rows": rows,
        "held_out": _held_out_rows(train, samples["train"], scorer, adapted, left_out),
    }
    write_json(path, result)
    if adapted and not run.keep_scorers:
        shutil.rmtree(adapted.folder, ignore_errors=True)
    return result


def choose_examples(examples: Sequence[BigBenchExample], task: str, part: str, run: TaskRun) -> list[Example]:
    """Draw a task's examples by the seed and shorten long prompts."""
    count = run.profile.train if part == "train" else run.profile.validation
    chosen = list(examples)
    if count is not None and count < len(chosen):
        chosen = random.Random(f"{run.seed}:{task}:{part}").sample(chosen, count)
    limit = run.profile.prompt_characters
    return [
        Example(shorten(one.instruction, limit), tuple(text for text in one.references if text) or ("",), None, task)
        for one in chosen
    ]


def shorten(text: str, characters: int) -> str:
    """Cut the middle out of a text: the task is described at the beginning, and the question is at the end."""
    if len(text) <= characters:
        return text
    end = 2 * characters // 3
    return f"{text[: characters - end - 5]} ... {text[-end:]}"


def response_tokens(examples: Sequence[Example]) -> int:
    """Return a number of tokens that fits the longest reference in any vocabulary, with a margin of about half.

    An English token has more than four bytes; one of a number or of another script has at most three.
    """
    longest = max((len(text.encode()) for example in examples for text in example.references), default=0)
    return max(8, math.ceil(longest / 3) + 4)


def sample_order(samples: Sequence[Sample]) -> list[int]:
    """Return places in the order of an adaptive run: one sample of each decoding in turn, beam search last."""
    turns: dict[str, int] = {}
    keys = []
    for place, sample in enumerate(samples):
        turn = turns.get(sample.decoding, 0)
        turns[sample.decoding] = turn + 1
        keys.append((sample.decoding.startswith("beam"), turn, place))
    return [place for _, _, place in sorted(keys)]


def _sampled(llm: LanguageModel, prompts: Sequence[str], plan: Sequence[Decoding], seed: int) -> list[list[Sample]]:
    """Draw the whole plan for a few prompts at a time, so that they stay in the model's cache."""
    drawn: dict[str, list[tuple[Sample, ...]]] = {decoding.name: [] for decoding in plan}
    step = getattr(llm, "prompts_together", CHUNK)
    # Beams come last: by then every slot of the server has a cached prompt for a beam to start from.
    order = sorted(plan, key=lambda decoding: decoding.beams > 1)
    for start in range(0, len(prompts), step):
        for decoding in order:
            for samples in llm.generate(prompts[start : start + step], decoding, seed):
                drawn[decoding.name].append(samples.samples)
                if samples.error:
                    log.warning("%s", samples.error)
    return [[sample for name in drawn for sample in drawn[name][place]] for place in range(len(prompts))]


def _adapt(
    task: str, scorer: Scorer, train: Sequence[Example], samples: Sequence[Sequence[Sample]], run: TaskRun
) -> Adapted:
    texts = [[sample.text for sample in drawn] for drawn in samples]
    return adapt(scorer, train, run.output / "adapted" / task, samples=texts, seed=run.seed)


def _learn(
    scorer: Scorer, train: Sequence[Example], samples: Sequence[Sequence[Sample]], seed: int
) -> tuple[Choosing | None, dict[int, Values]]:
    """Learn to choose, and value training examples' samples by cross-validation; (None, {}) if there are too few."""
    try:
        choosing, weighed = fit_choosing(scorer, train, samples, seed=seed)
    except InputError as error:
        log.warning("cannot learn to choose: %s", error)
        return None, {}
    left_out = {
        number: by_sample(drawn, list(dict.fromkeys(sample.text for sample in drawn)), weighed.values[number])
        for number, drawn in enumerate(samples)
        if drawn
    }
    return choosing, left_out


def _row(example: Example, pool: Pool, adapted: Adapted | None, learnt: Values | None) -> dict[str, Any]:
    """Judge an example's scored samples and value them by every selector that depends on scores."""
    judged = judge(pool, example.references)
    row = {
        "references": list(example.references),
        "samples": [asdict(sample) for sample in pool.samples],
        "qualities": list(judged.qualities),
        "cappy": list(pool.scores),
    }
    if adapted:
        row["cappy-adapted"] = list(scored(adapted.scorer, example.instruction, pool.samples).scores)
    for name in ("combined", "combined-short"):
        row[f"cappy-{name}"] = [float(value) for value in SELECTORS[name](pool)]
    # If nothing could be learnt, fall back to the selector that needs no examples.
    row["cappy-learnt"] = row["cappy-combined"] if learnt is None else [float(value) for value in learnt]
    return row


def _held_out_rows(
    train: Sequence[Example],
    samples: Sequence[Sequence[Sample]],
    scorer: Scorer,
    adapted: Adapted | None,
    left_out: Mapping[int, Values],
) -> list[dict[str, Any]]:
    """Value training examples out of sample, so that a stopping rule can be fitted on them."""
    # Without fine-tuning no examples were held out; use every fifth.
    numbers = sorted(adapted.held_out) if adapted else range(0, len(train), 5)
    held = [number for number in numbers if samples[number]]
    return [
        _row(train[number], scored(scorer, train[number].instruction, samples[number]), adapted, left_out.get(number))
        for number in held
    ]


def _identity(examples: Sequence[Example], llm: LanguageModel, scorer: Scorer, run: TaskRun) -> str:
    """Hash everything that a task's result depends on."""
    texts = [(example.instruction, example.references) for example in examples]
    facts = [
        texts,
        llm.name,
        weights_hash(scorer.checkpoint.folder),
        # Changing the number of threads must not invalidate results.
        {name: value for name, value in scorer.settings().items() if name != "threads"},
        asdict(run.profile),
        run.seed,
        run.shots,
        run.finetune,
    ]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:16]


@lru_cache(maxsize=8)
def weights_hash(folder: Path) -> str:
    """Hash a checkpoint's configuration and weights; cached, because it is slow."""
    weights = hashlib.sha256(folder.joinpath("config.json").read_bytes())
    for file in sorted(folder.glob("*.safetensors")):
        weights.update(file.read_bytes())
    return weights.hexdigest()


def _finished(path: Path, identity: str) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not a readable result; delete it to run the task again.") from error
    return found if found.get("identity") == identity else None


def open_samples(llm: LanguageModel, output: Path) -> KeptSamples:
    """Open the file below `output` that keeps a model's samples."""
    name = "".join(character if character.isalnum() or character in "-." else "_" for character in llm.name)
    return KeptSamples(llm, output / "samples" / f"{name}.jsonl")


def average(values: Sequence[float]) -> float:
    """Return the mean, ignoring NaN; NaN if all are."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
