r"""Make pairs whose worse answer is the longer one: right answers against long ones that miss the point.

python scripts/longer_is_worse.py -o docs/results/answers/longer.jsonl --seed 0
cappy eval answers docs/results/answers/longer.jsonl --source kind

The questions, right and wrong answers were written for this test; see docs/results/answers/questions.tsv. Language
models answer a related question for each, which gives polished answers to the wrong question; rules make the rest.
Pairs whose worse answer is less than half again as long are excluded.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import cappy
from cappy.files.rows import write_json_rows
from cappy.llm.cache import KeptSamples
from cappy.llm.decoding import Decoding

LONGER = 1.5
PADDING = (
    "This is a question that many people ask, and there is a lot to say about it.",
    "It is important to look at the matter from several sides and to weigh all facts with care.",
    "I hope this explanation helps you to understand the subject better.",
    "In conclusion, this is what one should know about the topic in general.",
    "Please let me know if you have any further questions, and I will be glad to help.",
)
EVASION = (
    "Thank you for asking: {asked} This is an excellent and very interesting question. There are many aspects to "
    "consider, and experts have discussed them for a long time. The answer depends on a number of factors. To find out "
    "more, you may want to consult reliable sources, and then draw your own conclusions."
)


def padded(wrong: str, draw: random.Random) -> str:
    """Wrap a wrong answer in three empty sentences."""
    before, *after = draw.sample(PADDING, 3)
    return " ".join((before, wrong if wrong.endswith((".", "!", '"')) else f"{wrong}.", *after))


def pairs(
    rows: Sequence[dict[str, str]], answers: dict[str, list[str]], draw: random.Random
) -> Iterator[dict[str, str]]:
    """Yield pairs of every kind for every question; `answers` are the models' answers to the related questions."""
    for place, row in enumerate(rows):
        far = draw.choice([other for other in range(len(rows)) if other != place])
        worse = {f"{model} on a related question": texts[place] for model, texts in answers.items()}
        worse["off the subject"] = draw.choice(list(answers.values()))[far]
        worse["wrong and padded"] = padded(row["wrong"], draw)
        worse["evasive"] = EVASION.format(asked=row["question"])
        for kind, text in worse.items():
            if len(text) >= LONGER * len(row["right"]):
                yield {"prompt": row["question"], "chosen": row["right"], "rejected": text, "kind": kind}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--questions", type=Path, default=Path("docs/results/answers/questions.tsv"))
    parser.add_argument("--llm", nargs="+", default=["smollm2", "gemma3"])
    parser.add_argument("--samples", type=Path, default=Path("runs/longer"), help="cache folder of the samples")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with chosen.questions.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    answers: dict[str, list[str]] = {}
    for name in chosen.llm:
        llm = KeptSamples(cappy.find_llm(name, context=1024), chosen.samples / f"{name}.jsonl")
        greedy = Decoding("greedy", 1, beams=1, temperature=0.0, max_tokens=120)
        found = llm.generate([row["related"] for row in rows], greedy, chosen.seed)
        answers[name] = [one.texts[0] for one in found]
    made = list(pairs(rows, answers, random.Random(chosen.seed)))
    write_json_rows(chosen.output, made)
    print(f"{len(made)} pairs in {chosen.output}")


if __name__ == "__main__":
    main()
