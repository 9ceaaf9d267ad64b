"""Compare the speed of Rouge-L labels, per second, with the package rouge-score on the same texts.

python benchmarks/rouge.py [--data t0_train_50k.parquet] [--groups 300] [--seed 0]

With a file of rendered rows, texts are real responses (each against two others of its template); otherwise they are
random English-like words.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from pathlib import Path

from cappy.files.rows import read_rows
from cappy.metrics.references import rouge_l


def made_up(count: int, draw: random.Random) -> list[tuple[str, list[str]]]:
    letters = "etaoinshrdlu"
    words = ["".join(draw.choices(letters, k=draw.randint(2, 10))) for _ in range(3000)]
    text = lambda: " ".join(draw.choices(words, k=draw.randint(10, 60)))  # noqa: E731
    return [(text(), [text(), text()]) for _ in range(count)]


def real(path: Path, count: int, draw: random.Random) -> list[tuple[str, list[str]]]:
    by_template = defaultdict(list)
    for row in read_rows(path):
        if 8 <= len(row["response"].split()) <= 80:
            by_template[row["template"]].append(row["response"])
    pools = [texts for texts in by_template.values() if len(texts) > 2]
    drawn = [draw.sample(draw.choice(pools), 3) for _ in range(count)]
    return [(response, references) for response, *references in drawn]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--groups", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    from rouge_score.rouge_scorer import RougeScorer

    draw = random.Random(options.seed)
    pairs = real(options.data, options.groups, draw) if options.data else made_up(options.groups, draw)
    theirs = RougeScorer(["rougeL"], use_stemmer=True)
    begun = time.perf_counter()
    expected = [theirs.score_multi(references, response)["rougeL"].fmeasure for response, references in pairs]
    slow = time.perf_counter() - begun
    seconds = []
    for _ in range(2):  # the first round stems every word, the second finds the stems cached
        begun = time.perf_counter()
        labels = [rouge_l(response, references) for response, references in pairs]
        seconds.append(time.perf_counter() - begun)
    worst = max(abs(a - b) for a, b in zip(expected, labels, strict=True))
    print(f"{len(pairs)} responses, 2 references each; largest difference {worst:.1e}")
    print(f"rouge-score {len(pairs) / slow:8.0f} responses/s")
    for name, time_taken in zip(("cold", "warm"), seconds, strict=True):
        print(f"cappy, {name} {len(pairs) / time_taken:7.0f} responses/s  {slow / time_taken:6.1f} times")


if __name__ == "__main__":
    main()
