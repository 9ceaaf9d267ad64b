r"""Fit how score, agreement, length and repetition are weighed in choosing among samples (`cappy.selection`).

python scripts/selection.py --data DATA -m SCORER --seed 0

DATA holds sets of judged answers (train/NAME.jsonl.zst). A scorer that was trained on them tells of them more than of
others: fit with one that was not. Every set is measured by weights fitted on the other sets, and for short answers
one half of the prompts by the other; the weights printed are fitted on all. `--write` notes them in SCORER's config.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import cappy
from cappy.checkpoint.save import note_setting
from cappy.data.answers import JudgedAnswers, drawn_answers, read_answers
from cappy.data.rows import read_rows
from cappy.evaluation.answers.measures import chosen_worth, pair_order, share_of_the_way
from cappy.files import write_json
from cappy.selection import Weighing, describe, fit_weights
from cappy.selectors import agreement
from cappy.training.recipes import STRENGTHS
from cappy.training.samples import sample_candidates

Floats = NDArray[np.float64]
Row = tuple[Floats, Floats, Floats]
"""Features [answers, features], worth [answers] and characters [answers]."""
OPEN = {
    "self_instruct_predictions": 251,
    "pandalm_testset": 400,
    "tulu_1_human_eval": 300,
    "autoj_pairwise": 300,
    "qa_feedback_dev": 150,
    "oasst_model_outputs": 80,
}
"""Instructions drawn of each set."""
EQUAL = 80
"""Instructions of a set that are fitted on: as many of each."""
SHORT, SHORT_ROWS = "smollm2_samples", 500
SAMPLES = ("greedy", "temperature_0.7_top_p_0.95", "temperature_1.0_top_p_0.9")
MARGINS = (0.1, 0.15, 0.2, 0.3, 0.5, 9.0)
KEPT = {"open": 0.2, "short": 0.5}
"""Margins of the veto that are written."""


def open_rows(options: argparse.Namespace, name: str) -> list[JudgedAnswers]:
    rows, _ = read_answers(options.data / "train" / f"{name}.jsonl.zst", dict(STRENGTHS))
    rows = [row for row in rows if len(set(row.worth)) > 1]
    drawn = random.Random(options.seed).sample(rows, min(OPEN[name], len(rows)))
    return [drawn_answers(row, 8, options.seed) for row in drawn]


def short_rows(options: argparse.Namespace) -> list[JudgedAnswers]:
    rows = [row for row in read_rows(options.data / "train" / f"{SHORT}.jsonl.zst") if row["references"]]
    drawn = random.Random(options.seed).sample(rows, SHORT_ROWS)
    found = []
    for row in drawn:
        labelled = sample_candidates({name: row[name] for name in SAMPLES}, row["references"])
        texts, worth = zip(*((one.text, one.label or 0.0) for one in labelled), strict=True)
        found.append(JudgedAnswers(row["instruction"], texts, worth))
    return found


def described(scorer: cappy.Scorer, rows: list[JudgedAnswers], kept: Path) -> list[Row]:
    """Score rows, or take their scores from the file `kept` where they were scored before."""
    if not kept.exists():
        scored = scorer.score_groups(((row.instruction, row.answers) for row in rows), progress=True)
        write_json(kept, [one.scores for one in scored])
    scores = json.loads(kept.read_text(encoding="utf-8"))
    return [
        (
            describe(np.array(one), agreement(row.answers), row.answers),
            np.array(row.worth),
            np.array([float(len(text)) for text in row.answers]),
        )
        for row, one in zip(rows, scores, strict=True)
    ]


def fitted(rows: list[Row]) -> tuple[float, ...]:
    return fit_weights([features for features, _, _ in rows], [worth for _, worth, _ in rows])


def measured(rows: list[Row], values: list[Floats]) -> tuple[float, float]:
    """Return pairs in order and the share of the way that `values` [rows][answers] give, in percent."""
    worths = [worth for _, worth, _ in rows]
    pairs = np.array([pair_order(value, worth) for value, worth in zip(values, worths, strict=True)])
    chosen = np.array([chosen_worth(value, worth) for value, worth in zip(values, worths, strict=True)])
    random_worth, best = (np.array([one(worth) for worth in worths]) for one in (np.mean, np.max))
    return 100 * float(np.nanmean(pairs)), 100 * float(share_of_the_way(chosen, random_worth, best))


def show(title: str, parts: list[tuple[list[Row], tuple[float, ...]]]) -> None:
    print(title)
    lines = {
        "longest": [measured(rows, [characters for _, _, characters in rows]) for rows, _ in parts],
        "score alone": [measured(rows, [features[:, 0] for features, _, _ in rows]) for rows, _ in parts],
    }
    for margin in MARGINS:
        lines[f"margin {margin}"] = [
            measured(rows, [Weighing(weights, margin).values(features) for features, _, _ in rows])
            for rows, weights in parts
        ]
    for name, found in lines.items():
        cells = "  ".join(f"{pairs:.1f} {way:.0f}" for pairs, way in found)
        pairs, way = np.mean(found, axis=0)
        print(f"  {name:12} pairs {pairs:.1f}, of the way {way:.1f}   ({cells})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kept", type=Path, default=Path("runs/selection"), help="folder the scores are kept in")
    parser.add_argument("--write", type=Path, help="folder of the checkpoint to note them in")
    options = parser.parse_args()
    scorer = cappy.load(options.model)
    options.kept.mkdir(parents=True, exist_ok=True)
    sets = {name: described(scorer, open_rows(options, name), options.kept / f"{name}.json") for name in OPEN}
    equal = {name: rows[:EQUAL] for name, rows in sets.items()}
    others = {name: [row for other in OPEN if other != name for row in equal[other]] for name in OPEN}
    show(f"open, each set by the others: {', '.join(OPEN)}", [(sets[name], fitted(others[name])) for name in OPEN])
    short = described(scorer, short_rows(options), options.kept / f"{SHORT}.json")
    half = len(short) // 2
    show("short, one half by the other", [(short[:half], fitted(short[half:])), (short[half:], fitted(short[:half]))])
    weights = {"open": fitted([row for rows in equal.values() for row in rows]), "short": fitted(short)}
    noted = {
        kind: {"weights": [round(weight, 3) for weight in one], "margin": KEPT[kind]} for kind, one in weights.items()
    }
    print(json.dumps(noted))
    if options.write:
        note_setting(options.write, "selection", noted)


if __name__ == "__main__":
    main()
