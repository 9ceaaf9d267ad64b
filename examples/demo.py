"""What a bundled scorer gets right and wrong, offline: 25 groups with their right answers. Run by `make demo`."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

import cappy

GROUPS = Path(__file__).parent / "demo.jsonl"


def show(console: Console, group: dict[str, object], ranking: cappy.Ranking) -> None:
    console.print(ranking.instruction, style="bold", markup=False)
    table = Table("", "score", "candidate")
    for item in ranking:
        table.add_row("right" if item.index == group["answer"] else "", f"{item.score:.3f}", item.text)
    console.print(table)
    console.print("HIT" if ranking.best.index == group["answer"] else "MISS", "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="base (the default), mini, a folder or a hub name")
    console = Console(width=100)
    scorer = cappy.load(parser.parse_args().model)
    hits: dict[str, list[bool]] = defaultdict(list)
    guessed: dict[str, float] = defaultdict(float)  # how many a random choice gets right
    for line in GROUPS.read_text(encoding="utf-8").splitlines():
        group = json.loads(line)
        ranking = scorer.rank(group["instruction"], group["responses"])
        show(console, group, ranking)
        hits[group["kind"]].append(ranking.best.index == group["answer"])
        guessed[group["kind"]] += 1 / len(group["responses"])
    table = Table("kind", "right", "by guessing", "of", title=scorer.checkpoint.folder.name)
    for kind, found in hits.items():
        table.add_row(kind, str(sum(found)), f"{guessed[kind]:.1f}", str(len(found)))
    together = [hit for found in hits.values() for hit in found]
    table.add_row("all", str(sum(together)), f"{sum(guessed.values()):.1f}", str(len(together)))
    console.print(table)


if __name__ == "__main__":
    main()
