r"""Fit the projection from a scorer's mean states to embeddings (`cappy.checkpoint.embedding`).

python scripts/embedding.py --data DATA -m SCORER --encoder sentence-transformers/all-mpnet-base-v2 --seed 0 --write

Sentences come from the training mixture (DATA/t0_train_50k.parquet, without sets whose terms forbid commercial use)
and from super_natural_instructions. The mean cosine of the projected embeddings with the encoder's is printed for a
held-out twentieth of them. `--write` saves the projection in the scorer's folder.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import cappy
from cappy.checkpoint.embedding import Projection, fit_projection, unit_length, write_projection
from cappy.checkpoint.find import find_encoder
from cappy.checkpoint.save import write_manifest
from cappy.data.rendered import task_of
from cappy.files.progress import progress_bar
from cappy.files.rows import read_rows
from cappy.runtime.embedding import load_embedder
from cappy.training.recipes import BASE

PART = re.compile(r"\n+|(?<=[.?!])\s+")
SHORTEST, LONGEST = 8, 300
"""Minimum and maximum characters of a sentence."""
PER_ROW = 2


def sentences(data: Path, seed: int) -> Iterator[str]:
    """Yield a few sentences of each row, and short answers."""
    draw = random.Random(seed)
    for row in read_rows(data / "t0_train_50k.parquet"):
        if task_of(row["template"]) not in BASE.left_out:
            yield from drawn(row["instruction"], draw)
            yield from drawn(row["response"], draw)
    for row in read_rows(data / "train" / "super_natural_instructions.jsonl.zst"):
        yield from drawn(row["input"], draw)


def drawn(text: str, draw: random.Random) -> list[str]:
    parts = [part.strip() for part in PART.split(text) if SHORTEST <= len(part.strip()) <= LONGEST]
    return draw.sample(parts, min(PER_ROW, len(parts)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--sentences", type=int, default=24_000)
    parser.add_argument("--layers", type=int, default=4, help="number of layers to read, evenly spaced")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="save the projection in the scorer's folder")
    options = parser.parse_args()
    found = sorted(set(sentences(options.data, options.seed)))
    texts = random.Random(options.seed).sample(found, min(options.sentences, len(found)))
    held = len(texts) // 20
    scorer, embed = cappy.load(options.model), load_embedder(find_encoder(options.encoder), one_thread=False)
    depth = scorer.checkpoint.spec.layers
    layers = sorted({round(depth * part / options.layers) for part in range(1, options.layers + 1)})
    states, targets = [], []
    with progress_bar("embedding", len(texts)) as advance:
        for start in range(0, len(texts), 500):
            part = texts[start : start + 500]
            states.append(scorer.states(part, layers))
            targets.append(embed(part))
            advance(len(part))
    inputs, wanted = np.concatenate(states), np.concatenate(targets)
    projection = fit_projection(inputs[held:], wanted[held:], layers)
    last = inputs[:held, -scorer.checkpoint.spec.hidden :]
    show("as it is", unit_length(last), wanted[:held])
    show("mapped", projection(inputs[:held]), wanted[:held])
    if options.write:
        keep(scorer.checkpoint.folder, projection)


def show(name: str, vectors: np.ndarray, wanted: np.ndarray) -> None:
    cosine = (vectors * wanted).sum(axis=1).mean() if vectors.shape == wanted.shape else float("nan")
    alike = np.corrcoef(*((one @ one.T)[np.triu_indices(len(one), 1)] for one in (vectors, wanted)))[0, 1]
    print(f"{name}: mean cosine {cosine:.3f}, correlation of the cosines between sentences {alike:.3f}")


def keep(folder: Path, projection: Projection) -> None:
    write_projection(folder, projection)
    write_manifest(folder)


if __name__ == "__main__":
    main()
