r"""Train a scorer further on answers to open instructions, on a CPU, and measure what that gives.

cappy data mixture --recipe base --data DATA --against EVAL --seed 0 -o groups.parquet
python scripts/experiments/open_training.py held-out --data DATA --seed 0 -o held.jsonl
python scripts/experiments/open_training.py train --groups groups.parquet --from FIRST-RUN --seed 0 -o runs/open
cappy eval answers held.jsonl --source source --of 8 -m FIRST-RUN        # and -m runs/open/checkpoint
cappy eval precision groups.development.parquet --rows 500 --seed 0 -m FIRST-RUN

FIRST-RUN has not been trained on these answers. The released cappy-base has, and on instructions that were held out
otherwise, so that it orders 97% of autoj's pairs rightly, and nothing that goes on from it can be measured here.

Of the mixture `--open` groups of open answers are drawn and `--others` of everything else, so that nothing is
forgotten; of similarity, statements and continuations few groups are made. `held-out` writes answers to the fifth of
the instructions that the mixture keeps out, at most `--rows` of each set.
"""

from __future__ import annotations

import argparse
import logging
import random
from dataclasses import replace
from pathlib import Path

from cappy.data.answers import read_answers
from cappy.data.store import read_groups, write_groups
from cappy.files.rows import write_json_rows
from cappy.training import open_answers
from cappy.training.recipes import BASE, STRENGTHS, OpenAnswers
from cappy.training.run import RunOptions, train
from cappy.training.trainer import Budget


def held_out(options: argparse.Namespace) -> None:
    plan, found = OpenAnswers(), []
    for name in (*plan.judged, *plan.lists):
        rows, _ = read_answers(options.data / "train" / f"{name}.jsonl.zst", dict(STRENGTHS))
        kept = [
            one for one in rows if open_answers.held_out(one.instruction, plan.held_out) and len(set(one.worth)) > 1
        ]
        drawn = random.Random(options.seed).sample(kept, min(options.rows, len(kept)))
        found += [
            {"instruction": one.instruction, "answers": one.answers, "worth": one.worth, "source": name}
            for one in drawn
        ]
    write_json_rows(options.output, found)


def further(options: argparse.Namespace) -> None:
    sides: tuple[list, list] = [], []
    for group in read_groups(options.groups):
        sides[group.task == open_answers.TASK].append(group)
    draw = random.Random(options.seed)
    chosen = [
        *draw.sample(sides[1], min(options.open, len(sides[1]))),
        *draw.sample(sides[0], min(options.others, len(sides[0]))),
    ]
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "groups.parquet"
    write_groups(path, chosen, {"open": options.open, "others": options.others, "seed": options.seed})
    assert BASE.similarity and BASE.statements and BASE.continuations
    recipe = replace(
        BASE,
        similarity=replace(BASE.similarity, groups=800, phrases=4_000),
        statements=replace(BASE.statements, groups=800, passages=600),
        continuations=replace(BASE.continuations, groups=400, passages=600),
    )
    run = RunOptions(
        None,
        options.output,
        None,
        Budget(minutes=options.minutes),
        seed=options.seed,
        against=options.against,
        groups=path,
        start=options.start,
        learning_rate=options.learning_rate,
        batch_tokens=options.batch_tokens,
    )
    train(recipe, run)


def main() -> None:
    logging.basicConfig(format="%(asctime)s  %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("cappy").setLevel(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("held-out")
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--rows", type=int, default=120)
    one.set_defaults(run=held_out)
    two = commands.add_parser("train")
    two.add_argument("--groups", type=Path, required=True)
    two.add_argument("--from", dest="start", required=True)
    two.add_argument("--against", type=Path)
    two.add_argument("--open", type=int, default=5_000)
    two.add_argument("--others", type=int, default=10_000)
    two.add_argument("--minutes", type=float, default=45.0)
    two.add_argument("--learning-rate", type=float, default=2e-5)
    two.add_argument("--batch-tokens", type=int, default=4096)
    two.set_defaults(run=further)
    for command in (one, two):
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
