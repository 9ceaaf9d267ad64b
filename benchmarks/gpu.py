"""Measure GPU utilisation of training and scoring: tokens per second, and the share of the card's matrix throughput.

    python benchmarks/gpu.py                               # base and mini, some 5 minutes on one GPU
    python benchmarks/gpu.py --tiny --device cpu --steps 2 # the same code on a CPU, in seconds

Groups are random: instructions of 60 to 250 tokens with 2 to 17 answers of 5 to 60 tokens, drawn from `--seed`. The
peak is measured in the same run with products of 8192 x 8192 matrices in bfloat16. A token costs 6 operations per layer
weight in training and 2 in scoring; attention and embeddings are not counted, so shares are slightly too low.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import cappy
from cappy.encoders.spec import EncoderSpec
from cappy.layout.encode import Conventions, EncodedGroup
from cappy.layout.pack import pack
from cappy.runtime.torch_session import TorchRuntime
from cappy.training.batches import TrainingGroup
from cappy.training.recipes import BASE
from cappy.training.trainer import Budget, Computing, Trainer

WARM_UP = 10


def random_groups(spec: EncoderSpec, count: int, seed: int) -> list[TrainingGroup]:
    draw = np.random.default_rng(seed)

    def tokens(shortest: int, longest: int) -> tuple[int, ...]:
        return tuple(int(i) for i in draw.integers(1000, min(spec.vocabulary, 20000), draw.integers(shortest, longest)))

    groups = []
    for _ in range(count):
        segments = tuple(tokens(5, 60) for _ in range(draw.integers(2, 18)))
        labels = np.zeros(len(segments), dtype=np.float32)
        labels[draw.integers(len(segments))] = 1
        groups.append(
            TrainingGroup(EncodedGroup(tokens(60, 250), segments, (0,) * len(segments), ()), labels, "random")
        )
    return groups


def peak(device: torch.device, size: int) -> float:
    """Return the operations per second of a matrix product in bfloat16."""
    left = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    seconds = timed(lambda: left @ left, device, 20)
    return 2 * size**3 / seconds


def timed(work: Callable[[], object], device: torch.device, times: int) -> float:
    for _ in range(2):
        work()
    synchronise(device)
    begun = time.perf_counter()
    for _ in range(times):
        work()
    synchronise(device)
    return (time.perf_counter() - begun) / times


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def layer_weights(spec: EncoderSpec) -> int:
    """Return the number of weights in the layers' matrices."""
    return sum(int(np.prod(shape)) for name, shape in spec.shapes().items() if ".layer" in name and len(shape) == 2)


def train_speed(name: str, device: torch.device, options: argparse.Namespace) -> float:
    """Return training tokens per second, measured after the warm-up."""
    scorer = cappy.load(name, runtime="torch", device="cpu")
    spec = scorer.checkpoint.spec
    weights = {key: torch.from_numpy(value).float() for key, value in scorer.checkpoint.read_weights().items()}
    recipe = replace(BASE, batch_tokens=options.batch_tokens)
    groups = random_groups(spec, options.groups, options.seed)
    computing = Computing(rows=True, compile=not options.tiny, workers=options.workers, precision="bf16")
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(spec, weights, recipe, scorer.conventions, Path(folder), options.seed, computing=computing)
        trainer.run(groups, Budget(steps=WARM_UP if not options.tiny else 1), save_every=1e9)
        synchronise(device)
        before, begun = trainer.progress.tokens, time.perf_counter()
        trainer.run(groups, Budget(steps=trainer.progress.step + options.steps), save_every=1e9)
        synchronise(device)
        return (trainer.progress.tokens - before) / (time.perf_counter() - begun)


def score_speed(name: str, device: torch.device, options: argparse.Namespace) -> float:
    """Return scoring tokens per second, including packing and copying."""
    checkpoint = cappy.load(name).checkpoint
    runtime = TorchRuntime(checkpoint.spec, checkpoint.read_weights(), "bf16", device=str(device), rows=True)
    conventions = Conventions.of(checkpoint.spec, "shared", checkpoint.tokenizer.cls_id, checkpoint.tokenizer.sep_id)
    batches, batch, used = [], [], 0
    for group in random_groups(checkpoint.spec, options.groups, options.seed):
        batch.append(group.encoded)
        used += group.encoded.tokens
        if used >= (runtime.batch_tokens if not options.tiny else 2000):
            batches, batch, used = [*batches, batch], [], 0
    tokens = sum(group.tokens for one in batches for group in one)
    return tokens / timed(lambda: [runtime.score(pack(one, conventions)) for one in batches], device, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["base", "mini"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--groups", type=int, default=6000)
    parser.add_argument("--batch-tokens", type=int, default=98304)
    parser.add_argument("--workers", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="small batches and no compilation, for a quick check")
    options = parser.parse_args()
    if options.tiny:
        options.groups, options.batch_tokens, options.workers = 16, 3000, 1
    device = torch.device(options.device)
    card = torch.cuda.get_device_name() if device.type == "cuda" else "a CPU"
    reached = peak(device, 8192 if not options.tiny else 512)
    print(f"command: {' '.join(sys.argv)}, torch {torch.__version__} on {card}, {reached / 1e12:.0f} TFLOP/s\n")
    print("| model | training, tokens/s | of the peak | scoring, tokens/s | of the peak |\n|---|---|---|---|---|")
    for name in options.models:
        weights = layer_weights(cappy.load(name).checkpoint.spec)
        trained, scored = train_speed(name, device, options), score_speed(name, device, options)
        shares = 6 * weights * trained / reached, 2 * weights * scored / reached
        print(f"| {name} | {trained:,.0f} | {shares[0]:.0%} | {scored:,.0f} | {shares[1]:.0%} |", flush=True)


if __name__ == "__main__":
    main()
