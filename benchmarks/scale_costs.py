"""Estimate the cost of the paper's pretraining on many GPUs: time, money, files, traffic, and bottlenecks.

python benchmarks/scale_costs.py [--pairs 160e6] [--instruction 170] [--response 20] [--candidates 18] ...

The training rate was measured for one encoder and device (--rate packed tokens/s, for --rate-hidden and --rate-layers);
other encoders are extrapolated by their multiplications per token. Sizes of files and the memory of an epoch's batches
are measured here, on random token ids and words (seed 0). The step time is the maximum of computation and gradient
all-reduce, which overlap.
"""

from __future__ import annotations

import argparse
import pickle
import random
import tempfile
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cappy.data.source import Chunk
from cappy.data.store import write_parquet
from cappy.encoders.registry import encoder_spec
from cappy.group import Candidate, Group
from cappy.layout.encode import EncodedGroup
from cappy.training.batches import TrainingGroup
from cappy.training.epochs import pair_batches
from cappy.training.tokens import GROUPS, SEGMENTS, TOKENS, TokenGroups, TokenWriter

ROBERTA_LARGE = {
    "model_type": "roberta",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "vocab_size": 50265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "num_labels": 1,
}
WORDS = ["".join(random.Random(n).choices("etaoinshrdlu", k=2 + n % 8)) for n in range(5000)]


@dataclass(frozen=True)
class Setting:
    """The size of a pair in a layout: packed tokens, and pairs per step."""

    name: str
    tokens: float
    batch: int


def matrix_parameters(hidden: int, layers: int) -> int:
    """Count the weights that every token is multiplied by: attention and feed-forward parts."""
    return layers * 12 * hidden * hidden


def training_rate(options: argparse.Namespace, hidden: int, layers: int) -> float:
    """Return training tokens per second on one GPU, extrapolated from the measured rate."""
    return float(options.rate * matrix_parameters(options.rate_hidden, options.rate_layers)) / matrix_parameters(
        hidden, layers
    )


def print_times(options: argparse.Namespace, parameters: int, rate: float) -> None:
    share = options.instruction / options.candidates + options.response + 2 + 2 / options.candidates
    settings = [
        Setting("joint", options.instruction + options.response + 4, options.batch),
        Setting("shared", share, options.batch),
        Setting("joint, batch 16 times", options.instruction + options.response + 4, 16 * options.batch),
    ]
    print(f"{options.pairs:.3g} pairs once, {parameters / 1e6:.0f}M parameters, {rate:,.0f} tokens/s a GPU\n")
    print(
        "| layout | tokens a pair | GPUs | tokens a GPU and step | compute | gradients | time | GPU hours | dollars |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for setting in settings:
        for gpus in options.gpus:
            mine = setting.tokens * setting.batch / gpus
            compute = mine / rate
            width = options.inside if gpus <= 8 else options.between
            exchange = 2 * (gpus - 1) / gpus * 4 * parameters / (width * 1e9)
            hours = options.pairs / setting.batch * max(compute, exchange) / 3600
            times = f"{1000 * compute:.1f} ms | {1000 * exchange:.1f} ms | {hours:,.1f} h"
            costs = f"{hours * gpus:,.0f} | {hours * gpus * options.price:,.0f}"
            print(f"| {setting.name} | {setting.tokens:.0f} | {gpus} | {mine:,.0f} | {times} | {costs} |")


def print_sizes(options: argparse.Namespace, parameters: int) -> None:
    draw = random.Random(0)
    layouts = {
        "shared": (options.candidates, (options.instruction + 2, options.response + 2)),
        "joint": (1, (0, options.instruction + options.response + 4)),
    }
    peak, kept = memory_of_batches(options.batch)
    stored, chunk = file_sizes(options, draw)
    groups = options.pairs / options.candidates
    print("\n| what | size |\n|---|---|")
    print(f"| checkpoint (float16) | {2 * parameters / 1e9:.2f} GB |")
    print(f"| state of a run (weights, two moments, float32) | {12 * parameters / 1e9:.2f} GB |")
    print(f"| store of {options.pairs:.3g} pairs (Parquet, random words) | {stored * groups / 1e9:,.0f} GB |")
    print(f"| chunk of 5,000 rows on its way to a builder | {chunk / 1e6:.1f} MB |")
    print(f"| outcomes of 512 rows on their way to the driver | {len(pickle.dumps(outcomes())) / 1e3:.1f} kB |")
    for layout, (candidates, lengths) in layouts.items():
        each = token_file_sizes(draw, *lengths, candidates) / candidates
        print(f"| a pair in token files, {layout} | {each:.0f} B |")
        print(f"| token files of all pairs, once a run, {layout} | {each * options.pairs / 1e9:,.0f} GB |")
    print(f"| a group in a trainer's memory while an epoch begins / after | {peak:.0f} / {kept:.0f} B |")
    for layout, (candidates, _) in layouts.items():
        each = peak * options.pairs / candidates / 1e9
        print(f"| all groups in a trainer's memory while an epoch begins, {layout} | {each:,.2f} GB |")


def token_file_sizes(draw: random.Random, prefix: int, segment: int, candidates: int, count: int = 2000) -> float:
    """Measure the bytes of a group of random token ids in token files."""

    def ids(length: int) -> tuple[int, ...]:
        return tuple(draw.randrange(1000, 50000) for _ in range(length))

    groups = []
    for _ in range(count):
        segments = tuple(ids(segment) for _ in range(candidates))
        encoded = EncodedGroup(ids(prefix), segments, (0,) * candidates, ())
        groups.append(TrainingGroup(encoded, np.zeros(candidates, dtype=np.float32), "task"))
    with tempfile.TemporaryDirectory() as place:
        write_tokens(Path(place), groups)
        return sum((Path(place) / name).stat().st_size for name in (TOKENS, SEGMENTS, GROUPS)) / count


def memory_of_batches(pairs: int, count: int = 1_000_000) -> tuple[float, float]:
    """Measure the bytes a group that an epoch's batches of so many pairs take: at their peak, and afterwards."""
    one = TrainingGroup(EncodedGroup((1,), ((1, 2),), (0,), ()), np.zeros(1, dtype=np.float32), "task")
    with tempfile.TemporaryDirectory() as place:
        write_tokens(Path(place), [one] * 100_000, count // 100_000)
        groups = TokenGroups(Path(place), "training")
        tracemalloc.start()
        kept = pair_batches(groups, pairs, 0, 0)
        after, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(kept) == -(-count // pairs)
    return peak / count, after / count


def write_tokens(folder: Path, groups: list[TrainingGroup], times: int = 1) -> None:
    writer = TokenWriter(folder, ROBERTA_LARGE["vocab_size"], ROBERTA_LARGE["max_position_embeddings"])
    for _ in range(times):
        writer.add(0, groups)
    writer.finish({"training": [0]}, {}, {})


def file_sizes(options: argparse.Namespace, draw: random.Random, count: int = 2000) -> tuple[float, int]:
    """Measure the bytes of a group in a store, and of a chunk sent by a reader; three words are four tokens."""

    def text(tokens: int) -> str:
        return " ".join(draw.choices(WORDS, k=max(1, tokens * 3 // 4)))

    groups = [
        Group(
            text(options.instruction),
            tuple(Candidate(text(options.response), 0.5, "sample:topk40") for _ in range(options.candidates)),
            "task",
            "template",
        )
        for _ in range(count)
    ]
    with tempfile.TemporaryDirectory() as place:
        write_parquet(Path(place) / "shard.parquet", groups)
        stored = (Path(place) / "shard.parquet").stat().st_size / count
    rows = [(f"rows.jsonl:{n}", {"instruction": text(options.instruction), "response": "yes"}) for n in range(5000)]
    return stored, len(pickle.dumps(Chunk("rows.jsonl-00000", rows)))


def outcomes() -> list[dict[str, float | int]]:
    return [{"score": 0.123456, "tokens_cut": 0} for _ in range(512)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=float, default=160e6)
    parser.add_argument("--batch", type=int, default=1024, help="pairs per step")
    parser.add_argument("--instruction", type=int, default=170, help="tokens per instruction")
    parser.add_argument("--response", type=int, default=20, help="tokens per response")
    parser.add_argument(
        "--candidates", type=int, default=18, help="responses per group: the paper's 17 and a reference"
    )
    parser.add_argument("--gpus", type=int, nargs="+", default=[8, 64, 512])
    parser.add_argument("--rate", type=float, default=555_000, help="tokens/s measured on one H100")
    parser.add_argument("--rate-hidden", type=int, default=768)
    parser.add_argument("--rate-layers", type=int, default=12)
    parser.add_argument("--inside", type=float, default=300, help="GB/s between GPUs of a node, as all-reduce sees it")
    parser.add_argument("--between", type=float, default=40, help="GB/s per GPU between nodes (400 Gbit/s links)")
    parser.add_argument("--price", type=float, default=2.5, help="dollars per GPU hour")
    options = parser.parse_args()
    spec = encoder_spec(ROBERTA_LARGE, "roberta-large")
    parameters = sum(int(np.prod(shape)) for shape in spec.shapes().values())
    print_times(options, parameters, training_rate(options, spec.hidden, spec.layers))
    print_sizes(options, parameters)


if __name__ == "__main__":
    main()
