r"""Groups with a language model's samples, labelled by Rouge-L (Tan et al., 2023, section 3.1): for `choices.py`, which
trains on them, and for `choosing_samples.py`, which measures on held-out ones.

python scripts/experiments/sampled_groups.py groups.parquet -o runs/sampled.parquet --groups 400 --seed 0
python scripts/experiments/sampled_groups.py groups.development.parquet -o runs/held-out-samples.parquet --groups 150

`groups.parquet` and the file beside it are groups as `cappy data mixture` writes them. Drawn are those of open tasks,
whose answers are free text; their lent answers stay. Running it again makes the file anew.
"""

from __future__ import annotations

import argparse
import random
import shlex
import sys
from pathlib import Path

from rich.progress import track

from cappy.data.sampling import is_open, with_samples
from cappy.data.store import read_groups, write_groups
from cappy.group import Group
from cappy.llm.decoding import parse_plan
from cappy.llm.find import find_llm
from cappy.metrics.references import find_labeller

PART = 50
"""Groups sampled for at once."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--llm", default="smollm2")
    parser.add_argument("--groups", type=int, default=400)
    parser.add_argument("--longest", type=int, default=120, help="words that an instruction may have")
    parser.add_argument("--plan", default="sampling*4")
    parser.add_argument("--max-tokens", type=int, default=24)
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0 takes all")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    pool = [one for one in read_groups(chosen.source) if is_open(one) and one.instruction.count(" ") < chosen.longest]
    drawn = random.Random(chosen.seed).sample(pool, min(chosen.groups, len(pool)))
    llm = find_llm(chosen.llm, threads=chosen.threads, servers=0)
    label, plan = find_labeller("rouge-l"), parse_plan(chosen.plan, chosen.max_tokens)
    failed: list[str] = []
    made: list[Group] = []
    for start in track(range(0, len(drawn), PART), description=f"sampling from {llm.name}"):
        made += with_samples(
            drawn[start : start + PART], llm, plan, label, chosen.seed, lambda _, why: failed.append(why)
        )
    write_groups(chosen.output, made, {"command": shlex.join(["python", *sys.argv])})
    samples = [c.label or 0.0 for group in made for c in group.candidates if c.sampled]
    print(f"{len(made)} groups, {len(samples)} samples, mean label {sum(samples) / max(1, len(samples)):.3f}")
    for why in sorted(set(failed)):
        print(f"failed {failed.count(why)} times: {why}", file=sys.stderr)


if __name__ == "__main__":
    main()
