"""Measure the peak memory of preparing training at two sizes: it must grow by a few bytes a group.

python benchmarks/train_memory.py [--groups 20000 200000] [--recipe large-shared] [--candidates 18]

Each size runs in its own process: a store of random words (seed 0) is streamed into token files, and steps are made
from the batches of the first epoch. No encoder is loaded. `start` is the memory with all modules imported, `prepared`
the peak when the token files are written. The last peak includes pages of mapped files, which the system can drop. The
recipe keeps all candidates here. Linux only.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from scale_costs import ROBERTA_LARGE, WORDS
from tokenizers import Tokenizer, models, pre_tokenizers

from cappy.data.shards import begin_store, finish_store, write_shard
from cappy.encoders.registry import encoder_spec
from cappy.group import Candidate, Group
from cappy.layout.encode import Conventions
from cappy.layout.tokenizer import TextTokenizer
from cappy.training.epochs import pair_batches
from cappy.training.memory import keep_freed_memory
from cappy.training.parts import Preparing
from cappy.training.prepare import TOKENS, Given, prepare
from cappy.training.recipes import find_recipe

SHARD = 5000
STEPS = 20


def write_store(folder: Path, count: int, options: argparse.Namespace) -> None:
    draw = random.Random(0)

    def text(words: int) -> str:
        return " ".join(draw.choices(WORDS, k=words))

    def group(number: int) -> Group:
        labels = [1.0, *(0.0,) * (options.candidates - 1)]
        candidates = tuple(Candidate(text(options.response), label, "choice") for label in labels)
        return Group(f"{number} {text(options.instruction)}", candidates, "task", "template")

    shards = begin_store(folder, {}, 0)
    targets = [shards / f"random-{start:09}.parquet" for start in range(0, count, SHARD)]
    for number, target in enumerate(targets):
        groups = [group(i) for i in range(number * SHARD, min((number + 1) * SHARD, count))]
        write_shard(target, groups, (), len(groups), "random")
    finish_store(folder, targets, {}, 0)


def peak() -> float:
    """Return this process's peak memory in MiB. The figure of getrusage would include its parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(store: Path, output: Path, options: argparse.Namespace) -> None:
    """Prepare a run and make its first steps, and print time, memory and sizes; run in its own process."""
    keep_freed_memory()
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate([*specials, *dict.fromkeys(WORDS)])}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = TextTokenizer(words, "<s>", "</s>", "random words")
    recipe = replace(find_recipe(options.recipe), candidates=options.candidates)
    spec = encoder_spec(ROBERTA_LARGE, "roberta-large")
    conventions = Conventions.of(spec, recipe.layout, tokenizer.cls_id, tokenizer.sep_id)
    start, begun = peak(), time.perf_counter()
    encoded = prepare(Given(groups=store), recipe, tokenizer, conventions, spec.max_tokens, 0, output)
    seconds, prepared = time.perf_counter() - begun, peak()
    batches = pair_batches(encoded.training, recipe.batch_pairs or 1024, 0, 0)
    preparing = Preparing(conventions, graded=False, rows=False)
    for batch in batches[:STEPS]:
        preparing.step([encoded.training[index] for index in batch])
    size = sum(path.stat().st_size for path in (output / TOKENS).iterdir())
    print(json.dumps({"seconds": seconds, "start": start, "prepared": prepared, "peak": peak(), "bytes": size}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--recipe", choices=("large", "large-shared"), default="large-shared")
    parser.add_argument("--instruction", type=int, default=170, help="words per instruction, each a token")
    parser.add_argument("--response", type=int, default=20, help="words per response")
    parser.add_argument("--candidates", type=int, default=18, help="responses per group")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*map(Path, options.measure), options)
        return
    print(f"command: {' '.join(['python', *sys.argv])}\n")
    print("| groups | pairs | start | prepared | peak of 20 steps | token files | bytes a pair | pairs/s |")
    print("|---|---|---|---|---|---|---|---|")
    for count in options.groups:
        with tempfile.TemporaryDirectory() as place:
            store, output = Path(place) / "store", Path(place) / "run"
            write_store(store, count, options)
            command = [sys.executable, __file__, "--recipe", options.recipe, "--candidates", str(options.candidates)]
            command += ["--measure", str(store), str(output)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        found, pairs = json.loads(done.stdout), count * options.candidates
        memory = " | ".join(f"{found[name]:.0f} MiB" for name in ("start", "prepared", "peak"))
        files = f"{found['bytes'] / 1e6:,.0f} MB | {found['bytes'] / pairs:.0f}"
        print(f"| {count:,} | {pairs:,} | {memory} | {files} | {pairs / found['seconds']:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
