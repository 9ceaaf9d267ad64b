r"""How well scorers tell whether statements follow, by how the statements were made.

python scripts/experiments/statement_kinds.py cappy-mini runs/mini/checkpoint --data DATA --seed 0

They are made of development groups that share no sentence with training groups; `--without` leaves tasks out. A kind of
which a scorer gets nearly all right teaches it nothing more; one that it does not get right is what it lacks.
"""

from __future__ import annotations

import argparse
import random
import shlex
import sys
from collections.abc import Collection
from pathlib import Path

import cappy
from cappy.evaluation.labelled.agreement import accuracy
from cappy.group import Group
from cappy.training.mixture import build_mixture
from cappy.training.passages import passages, unshared
from cappy.training.recipes import MINI, Statements
from cappy.training.statements.groups import rendered, statement_pairs


def groups_by_kind(
    training: Collection[Group], development: Collection[Group], plan: Statements, most: int, seed: int
) -> dict[str, list[Group]]:
    """Return up to `most` groups of every kind, drawn from what development groups give."""
    fresh = unshared(list(development), training)
    made = statement_pairs(fresh, passages(fresh, plan.passages, seed), plan, seed)
    draw = random.Random(seed)
    groups = {kind: list(rendered(pairs, seed)) for kind, pairs in made.items()}
    return {kind: draw.sample(found, min(most, len(found))) for kind, found in groups.items() if found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scorers", nargs="+", help="names or folders")
    parser.add_argument("--data", type=Path, required=True, help="folder of the recipe's data")
    parser.add_argument("--most", type=int, default=400, help="groups of a kind")
    parser.add_argument("--without", nargs="+", default=[], metavar="TASK", help="tasks of which nothing is made")
    parser.add_argument("--precision", choices=["fp32", "int8"], default="int8", help="the same for all scorers")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    training, development = build_mixture(MINI, chosen.data, chosen.seed)
    kept = [one for one in development if one.task not in chosen.without]
    plan = Statements(groups=10 * chosen.most, embedded=0.1)
    kinds = groups_by_kind(training, kept, plan, chosen.most, chosen.seed)
    print(f"command: {shlex.join(['python', *sys.argv])}\n")
    print("| scorer | " + " | ".join(f"{kind}, {len(groups)}" for kind, groups in kinds.items()) + " |")
    print("|" + "---|" * (1 + len(kinds)))
    for name in chosen.scorers:
        scorer = cappy.load(name, precision=chosen.precision)
        found = [
            accuracy(groups, [scored.scores for scored in scorer.score_groups(groups)]) for groups in kinds.values()
        ]
        print(f"| {name} | " + " | ".join(f"{100 * share:.1f}%" for share in found) + " |", flush=True)


if __name__ == "__main__":
    main()
