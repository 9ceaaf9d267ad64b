"""Learning from a task's examples how to choose among samples; saving and reading what was learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cappy.checkpoint.sidecar import CHOOSING
from cappy.errors import CheckpointError, InputError
from cappy.group import Example
from cappy.llm.model import Sample
from cappy.metrics.references import Labeller, rouge_l
from cappy.selection.features import FEATURES, Known, Samples, describe
from cappy.selection.fit import FEWEST, Weighed, weigh
from cappy.selection.selectors import Pool, agreement, scored, usual

if TYPE_CHECKING:
    from cappy.scorer import Scorer

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choosing:
    """What a task's examples taught: weights of `FEATURES`, and the known answers.

    Without weights it chooses like the default selector.
    """

    weights: Floats | None
    known: Known

    def values(
        self, scorer: Scorer, instruction: str, samples: Sequence[Sample], scores: Sequence[float] | None = None
    ) -> Floats:
        """Return the value of every sample [samples], relative to the others; the highest is best.

        `scores` [samples] are the scorer's, if they are known already.
        """
        if self.weights is None:
            return unlearnt(scorer, instruction, samples, scores)
        found = read_samples(scorer, instruction, samples, scores)
        return by_sample(samples, found.texts, describe(found, self.known) @ self.weights)


@dataclass(frozen=True, slots=True)
class Report:
    """What was learnt, measured by cross-validation, in [0, 1].

    Mean worth of the `first` sample, of the choice `without` examples, of the choice with them (`chosen`), and of the
    `best` sample. `learnt` says whether the examples are used: if they teach nothing better, they are not.
    """

    examples: int
    samples: int
    first: float
    without: float
    chosen: float
    best: float
    learnt: bool = True

    def __str__(self) -> str:
        """Summarise in one line."""
        parts = (self.first, self.without, self.chosen, self.best)
        first, without, chosen, best = (f"{100 * part:.1f}" for part in parts)
        drawn = f"{self.examples} examples with {self.samples} samples"
        if not self.learnt:
            return f"{drawn} teach nothing that chooses better than {without} (first sample {first}, the best {best})"
        return (
            f"{drawn}; when left out, what is chosen is worth {chosen} "
            f"(first sample {first}, without examples {without}, the best {best})"
        )


def fit_choosing(
    scorer: Scorer,
    examples: Sequence[Example],
    samples: Sequence[Sequence[Sample]],
    labeller: Labeller = rouge_l,
    seed: int = 0,
) -> tuple[Choosing, Weighed]:
    """Learn how to choose among samples from a task's examples and a language model's samples for each.

    Args:
        scorer: provides scores and embeddings; it is not changed.
        examples: with references.
        samples: of every example; an example without samples only shows what answers look like.
        labeller: rates a sample against the references, in [0, 1].
        seed: decides the folds.

    Raises:
        InputError: the lists differ in length, an example has no reference, or too few have samples that differ.

    """
    if len(samples) != len(examples):
        raise InputError(f"there are {len(examples)} examples, but samples for {len(samples)}.")
    for number, example in enumerate(examples):
        if not example.references:
            raise InputError(f"example {number} has no reference to tell good samples by.")
    if len(examples) < FEWEST:
        raise InputError(f"learning to choose needs {FEWEST} examples or more, but there are {len(examples)}.")
    read = [read_samples(scorer, one.instruction, drawn) for one, drawn in zip(examples, samples, strict=True)]
    worths = [
        np.array([labeller(text, example.references) for text in one.texts])
        for example, one in zip(examples, read, strict=True)
    ]
    owners = [number for number, example in enumerate(examples) for _ in dict.fromkeys(example.references)]
    answers = tuple(answer for example in examples for answer in dict.fromkeys(example.references))
    asked = np.stack([read[number].asked for number in owners])
    known = Known(answers, scorer.embed(answers).astype(np.float64), asked)
    plain = [_unlearnt_texts(scorer, one, drawn) for one, drawn in zip(read, samples, strict=True)]
    weighed = weigh(read, worths, known, owners, plain, seed)
    return Choosing(weighed.weights, known), weighed


def report_of(weighed: Weighed, samples: Sequence[Sequence[Sample]]) -> Report:
    """Summarise what was learnt."""
    counts, learnt = [len(drawn) for drawn in samples if drawn], weighed.weights is not None
    return Report(len(counts), sum(counts), weighed.first, weighed.without, weighed.chosen, weighed.best, learnt)


def unlearnt(
    scorer: Scorer, instruction: str, samples: Sequence[Sample], scores: Sequence[float] | None = None
) -> Floats:
    """Return the value of every sample [samples] by the scorer's default selector, without examples.

    `scores` [samples] are the scorer's, if they are known already.
    """
    if not samples:
        return np.zeros(0)
    if scores is None:
        return usual(scored(scorer, instruction, samples))
    return usual(Pool(instruction, tuple(samples), tuple(scores), scorer.selection))


def _unlearnt_texts(scorer: Scorer, one: Samples, samples: Sequence[Sample]) -> Floats:
    """Return the value of every distinct text [texts] by the default selector."""
    scores = by_sample(samples, one.texts, one.scores).tolist()
    values = unlearnt(scorer, one.instruction, samples, scores)
    known = {sample.text: value for sample, value in zip(samples, values, strict=True)}
    return np.array([known[text] for text in one.texts])


def by_sample(samples: Sequence[Sample], texts: Sequence[str], values: Floats) -> Floats:
    """Return the value of every sample [samples] from those of the distinct texts [texts]."""
    known = dict(zip(texts, values, strict=True))
    return np.array([known[sample.text] for sample in samples])


def read_samples(
    scorer: Scorer, instruction: str, samples: Sequence[Sample], scores: Sequence[float] | None = None
) -> Samples:
    """Score and embed an instruction's distinct samples, in the order they were first drawn.

    `scores` [samples] are the scorer's, if they are known already.
    """
    firsts = {sample.text: place for place, sample in reversed(list(enumerate(samples)))}
    places = sorted(firsts.values())
    texts = tuple(samples[place].text for place in places)
    drawn = [sample.text for sample in samples]
    embedded = scorer.embed([instruction, *texts]).astype(np.float64)
    if scores is not None:
        scores = [scores[place] for place in places]
    elif texts:
        scores = scorer.score(instruction, texts).tolist()
    alike = agreement(drawn)
    return Samples(
        instruction,
        texts,
        np.array(scores or (), dtype=np.float64),
        alike[np.array(places, dtype=int)],
        _known([samples[place].log_likelihood for place in places]),
        _known([samples[place].mean_log_likelihood for place in places]),
        np.array([float(drawn.count(text)) for text in texts]),
        embedded[1:],
        embedded[0],
    )


def _known(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def save_choosing(target: Path, scorer: Path, choosing: Choosing, report: Report) -> Path:
    """Write the scorer's files and what was learnt into `target`, atomically, and return it.

    Raises:
        InputError: `target` holds something else.

    """
    found = choosing.weights
    weights = None if found is None else dict(zip(FEATURES, map(float, found), strict=True))
    settings = {"weights": weights, "answers": choosing.known.answers, "report": asdict(report)}
    arrays = {"embedded": choosing.known.embedded, "asked": choosing.known.asked}
    return CHOOSING.save(target, scorer, settings, {name: array.astype(np.float32) for name, array in arrays.items()})


def read_choosing(folder: Path) -> Choosing | None:
    """Read what `save_choosing` wrote; None if the folder has no such files.

    Raises:
        CheckpointError: a file is damaged.

    """
    if not (folder / CHOOSING.settings_file).exists():
        return None
    settings, arrays = CHOOSING.read(folder)
    try:
        noted = settings["weights"]
        weights = None if noted is None else np.array([float(noted[name]) for name in FEATURES])
        embedded, asked = (np.asarray(arrays[name], dtype=np.float64) for name in ("embedded", "asked"))
        answers = tuple(map(str, settings["answers"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}: {CHOOSING.settings_file} cannot be used ({error}).") from error
    if (
        (weights is not None and not np.isfinite(weights).all())
        or embedded.shape != asked.shape
        or len(embedded) != len(answers)
    ):
        raise CheckpointError(f"{folder}: {CHOOSING.settings_file} and {CHOOSING.arrays_file} do not match each other.")
    return Choosing(weights, Known(answers, embedded, asked))
