r"""Fit the weights of the `combined` selector (`cappy.selection.combined`).

python scripts/selection.py --data DATA -m SCORER --llm smollm2 --seed 0

DATA holds sets of judged answers and prompts with references (train/NAME.jsonl.zst). The language model answers each
prompt eight times (cached; about 12 minutes), and Rouge-L rates its samples. Fit with a scorer that was not trained on
these sets, because its scores would be unusually accurate on them. Each open set is measured with weights fitted on the
others, and each fifth of the tasks with references with weights fitted on the rest; the printed weights are fitted on
all. `--write` saves them in a checkpoint's config.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import cappy
from cappy.calibration.combined import FEATURES, Weighing
from cappy.checkpoint.save import note_setting
from cappy.data.answers import drawn_answers, read_answers
from cappy.files.atomic import sha256, write_json
from cappy.files.rows import read_rows
from cappy.llm.cache import KeptSamples
from cappy.llm.decoding import parse_plan
from cappy.llm.model import Sample
from cappy.metrics.preferences import chosen_worth, pair_order, share_of_the_way
from cappy.metrics.references import rouge_l
from cappy.selection import selectors
from cappy.selection.combined import LONG, describe
from cappy.selection.fit import ridge
from cappy.text.features import words
from cappy.training.recipes import STRENGTHS

Floats = NDArray[np.float64]
Weights = tuple[float, ...]
OPEN = {
    "self_instruct_predictions": 251,
    "pandalm_testset": 300,
    "tulu_1_human_eval": 200,
    "autoj_pairwise": 250,
    "qa_feedback_dev": 120,
    "oasst_model_outputs": 80,
}
"""Instructions drawn from each set."""
EQUAL = 80
"""Instructions per set used for fitting, the same for all."""
PROMPTS, SOURCE = "smollm2_samples", "super_natural_instructions"
LONGEST, WORDS, TOKENS = 1500, 40, 48
"""Maximum characters of a prompt, words of a reference, and tokens of a sample."""
PER_TASK, MOST, FOLDS = 8, 416, 5
PENALTY, SPREAD = 10.0, 0.1
"""The ridge penalty, and the spread of worth among an open instruction's answers, in Rouge-L of short ones."""
PLAN = "greedy,temp0.7*3,sampling*4"
MARGINS = (0.1, 0.15, 0.2, 0.3, 0.5, 9.0)
KEPT = {"open": 0.2, "short": 0.5, "either": 0.5}
"""Margins of the veto that are saved."""
SHORT = [name for name in FEATURES if name != "different words"]
EITHER = ["score", "agreement", "log-likelihood a token", "repetition"]


@dataclass(frozen=True, slots=True)
class Row:
    """An instruction's samples: features [samples, features], worth and characters [samples], words of the median one.

    `unit` is the amount of worth that counts as 1.
    """

    features: Floats
    worth: Floats
    characters: Floats
    words: float
    task: str
    unit: float

    @classmethod
    def of(cls, task: str, instruction: str, samples: Sequence[Sample], worth: Sequence[float], scores: Floats) -> Row:
        """Describe the samples of an instruction."""
        texts = [sample.text for sample in samples]
        pool = selectors.Pool(instruction, tuple(samples))
        likelihoods = selectors.self_sum(pool), selectors.self_mean(pool)
        features = describe(instruction, texts, scores, selectors.agreement(texts), *likelihoods)
        lengths = np.array([float(len(text)) for text in texts])
        median = float(np.median([len(words(text)) for text in texts]))
        # Rouge-L is one scale for all; people's verdicts and ranks are known only up to scale and shift.
        unit = max(float(np.std(worth)) / SPREAD, 1e-9) if task in OPEN else 1.0
        return cls(features, np.array(worth), lengths, median, task, unit)

    def without_likelihoods(self) -> Row:
        """Return the row as seen with a language model that reports no likelihoods."""
        features = self.features.copy()
        features[:, [FEATURES.index("log-likelihood"), FEATURES.index("log-likelihood a token")]] = 0
        return replace(self, features=features)


Pool = tuple[str, str, list[Sample], list[float]]
"""Task, instruction, samples and their worth."""


def open_pools(options: argparse.Namespace, name: str) -> list[Pool]:
    rows, _ = read_answers(options.data / "train" / f"{name}.jsonl.zst", dict(STRENGTHS))
    rows = [row for row in rows if len(set(row.worth)) > 1]
    drawn = random.Random(options.seed).sample(rows, min(OPEN[name], len(rows)))
    return [
        (name, row.instruction, [Sample(text) for text in row.answers], list(row.worth))
        for row in (drawn_answers(row, 8, options.seed) for row in drawn)
    ]


def short_pools(options: argparse.Namespace) -> list[Pool]:
    """Sample a language model for prompts of many tasks with short references, equally many per task."""
    tasks = defaultdict(list)
    for row in read_rows(options.data / "train" / f"{PROMPTS}.jsonl.zst"):
        brief = len(row["instruction"]) <= LONGEST and row["references"] and len(row["references"][0].split()) <= WORDS
        if row["source"] == SOURCE and brief:
            tasks[row["instruction"][:60]].append(row)
    draw = random.Random(options.seed)
    rows = [row for task in sorted(tasks) for row in draw.sample(tasks[task], min(PER_TASK, len(tasks[task])))]
    draw.shuffle(rows)
    rows = rows[:MOST]
    llm = KeptSamples(cappy.find_llm(options.llm), options.kept / "samples.jsonl")
    prompts = [row["instruction"] for row in rows]
    drawn: list[list[Sample]] = [[] for _ in rows]
    for decoding in parse_plan(PLAN, TOKENS):
        for place, samples in enumerate(llm.generate(prompts, decoding, options.seed)):
            drawn[place] += samples.samples
    llm.close()
    return [
        (row["instruction"][:60], row["instruction"], samples, [rouge_l(s.text, row["references"]) for s in samples])
        for row, samples in zip(rows, drawn, strict=True)
        if len(samples) > 1
    ]


def described(scorer: cappy.Scorer, pools: list[Pool], kept: Path) -> list[Row]:
    """Score pools, or read their scores from the cache file `kept`."""
    if not kept.exists():
        groups = [(instruction, [sample.text for sample in samples]) for _, instruction, samples, _ in pools]
        write_json(kept, [one.scores for one in scorer.score_groups(groups, progress=True)])
    scores = json.loads(kept.read_text(encoding="utf-8"))
    return [Row.of(*pool, np.array(one)) for pool, one in zip(pools, scores, strict=True)]


def fitted(rows: Sequence[Row], names: Sequence[str] = FEATURES) -> Weights:
    """Fit the weights of some features in units of the score's weight.

    Each row counts twice, with and without likelihoods, because many language models report none.
    """
    columns = [FEATURES.index(name) for name in names]
    both = [one for row in rows for one in (row, row.without_likelihoods())]
    features = [row.features[:, columns] - row.features[:, columns].mean(axis=0) for row in both]
    differences = [(row.worth - row.worth.mean()) / row.unit for row in both]
    # Every instruction counts equally, however many answers it has.
    shares = [1 / np.sqrt(len(row.worth)) for row in both]
    inputs = np.concatenate([one * share for one, share in zip(features, shares, strict=True)])
    outputs = np.concatenate([one * share for one, share in zip(differences, shares, strict=True)])
    found = ridge(inputs, outputs, PENALTY)
    if found[0] <= 0:
        raise SystemExit("the score does not tell better answers from worse")
    weights = dict(zip(names, found / found[0], strict=True))
    return tuple(float(weights.get(name, 0.0)) for name in FEATURES)


def measured(rows: Sequence[Row], values: Sequence[Floats]) -> tuple[float, float, float]:
    """Return ordered pairs, the way from random to best, and chosen worth of `values` [rows][answers], in percent."""
    pairs = np.array([pair_order(value, row.worth) for value, row in zip(values, rows, strict=True)])
    chosen = np.array([chosen_worth(value, row.worth) for value, row in zip(values, rows, strict=True)])
    random_worth, best = (np.array([one(row.worth) for row in rows]) for one in (np.mean, np.max))
    way = float(share_of_the_way(chosen, random_worth, best))
    return 100 * float(np.nanmean(pairs)), 100 * way, 100 * float(chosen.mean())


Valued = Callable[[Row], Floats]


def _valued(weights: Weights, margin: float) -> Valued:
    weighing = Weighing(weights, margin)
    return lambda row: weighing.values(row.features)


def show(title: str, parts: Sequence[tuple[Sequence[Row], Weights]], margins: Sequence[float] = MARGINS) -> None:
    """Print the mean over `parts`: rows with weights that were fitted without them."""
    column = {name: place for place, name in enumerate(FEATURES)}

    def by(name: str) -> list[tuple[Sequence[Row], Valued]]:
        return [(rows, lambda row: row.features[:, column[name]]) for rows, _ in parts]

    lines: dict[str, list[tuple[Sequence[Row], Valued]]] = {
        "first": [(rows, lambda row: -np.arange(float(len(row.worth)))) for rows, _ in parts],
        "longest": [(rows, lambda row: row.characters) for rows, _ in parts],
        "agreement": by("agreement"),
        "self, sum": by("log-likelihood"),
        "self, mean": by("log-likelihood a token"),
        "score alone": by("score"),
    }
    for margin in margins:
        lines[f"margin {margin}"] = [(rows, _valued(weights, margin)) for rows, weights in parts]
    print(title)
    for name, of in lines.items():
        found = [measured(rows, [value(row) for row in rows]) for rows, value in of]
        cells = "  ".join(f"{pairs:.1f} {way:.0f}" for pairs, way, _ in found)
        pairs, way, worth = np.mean(found, axis=0)
        print(f"  {name:12} pairs {pairs:.1f}, of the way {way:.1f}, worth {worth:.2f}   ({cells})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--llm", default="smollm2")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kept", type=Path, default=Path("runs/selection"), help="cache folder of scores and samples")
    parser.add_argument("--write", type=Path, help="checkpoint folder to save the weights in")
    options = parser.parse_args()
    scorer = cappy.load(options.model)
    options.kept.mkdir(parents=True, exist_ok=True)
    weights = next(path for path in sorted(scorer.checkpoint.folder.glob("model*.safetensors")))
    of = f"{sha256(weights)[:12]}-{options.seed}"  # scores are those of this scorer for what this seed draws
    sets = {name: described(scorer, open_pools(options, name), options.kept / f"{name}-{of}.json") for name in OPEN}
    short = described(scorer, short_pools(options), options.kept / f"short-{of}.json")
    equal = {name: rows[:EQUAL] for name, rows in sets.items()}
    others = {name: [row for other in OPEN if other != name for row in equal[other]] for name in OPEN}
    show(f"open, each set by the others: {', '.join(OPEN)}", [(sets[name], fitted(others[name])) for name in OPEN])

    tasks = sorted({row.task for row in short})
    fold = {task: place % FOLDS for place, task in enumerate(random.Random(options.seed).sample(tasks, len(tasks)))}
    parts = [([r for r in short if fold[r.task] == k], [r for r in short if fold[r.task] != k]) for k in range(FOLDS)]
    show(f"short, each fifth of {len(tasks)} tasks by the rest", [(part, fitted(rest, SHORT)) for part, rest in parts])
    silent = [([row.without_likelihoods() for row in part], fitted(rest, SHORT)) for part, rest in parts]
    show("the same without likelihoods", silent)

    brief = {name: [row for row in rows if row.words < LONG] for name, rows in equal.items()}
    mixed = [(sets[name], short + [row for other in OPEN if other != name for row in brief[other]]) for name in OPEN]
    apart = [([r for r in rows if r.words < LONG], fitted(rest, EITHER)) for rows, rest in mixed]
    show(f"open of fewer than {LONG} words, by what holds for both", [part for part in apart if part[0]])
    every = [row for rows in brief.values() for row in rows]
    both = [(part, fitted(rest + every, EITHER)) for part, rest in parts]
    show("short, by what holds for both", both)
    show("the same without likelihoods", [([row.without_likelihoods() for row in part], one) for part, one in both])

    found = {
        "open": fitted([row for rows in equal.values() for row in rows]),
        "short": fitted(short, SHORT),
        "either": fitted(short + every, EITHER),
    }
    noted = {
        kind: {
            "weights": {name: round(weight, 4) for name, weight in zip(FEATURES, one, strict=True) if weight},
            "margin": KEPT[kind],
        }
        for kind, one in found.items()
    }
    print(json.dumps(noted, indent=2))
    if options.write:
        note_setting(options.write, "selection", noted)


if __name__ == "__main__":
    main()
