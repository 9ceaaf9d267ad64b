"""Compare the best of n with the first answer of a language model on ten open questions, as Markdown.

python scripts/open_questions.py --llm smollm2 -n 8 --seed 0

The first answer is what one gets without choosing. Answers are complete and unedited except for line ends, bars and
marks that would break the table.
"""

from __future__ import annotations

import argparse
import html
import sys

import cappy
from cappy.boost import BestOfN
from cappy.llm.find import find_llm

QUESTIONS = (
    "Explain to a ten-year-old why the sky is blue.",
    "Give me three tips for sleeping better.",
    "Write a short, polite email asking my landlord to repair the heating.",
    "What is the difference between weather and climate?",
    "How do I boil an egg so that the yolk stays soft?",
    "Suggest a name for a bakery that sells only sourdough bread, and say why it fits.",
    "Summarise in one sentence: The museum, closed since the flood in March, will open again on Friday, though the "
    "cellar with its collection of maps stays shut until spring.",
    "Is it a good idea to store potatoes in the fridge? Why, or why not?",
    "Write two lines of a poem about the first snow.",
    "My flight was cancelled an hour before departure. What should I do first?",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default="smollm2")
    parser.add_argument("-m", "--model", default="base")
    parser.add_argument("-n", type=int, default=8)
    parser.add_argument("--selector", default="combined")
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    llm = find_llm(options.llm, context=1024)
    best = BestOfN(
        llm,
        cappy.load(options.model),
        options.n,
        selector=options.selector,
        max_tokens=options.max_tokens,
        seed=options.seed,
    )
    print(f"`{' '.join(['python', *sys.argv])}`\n")
    print("| question | first answer | chosen of the answers |\n|---|---|---|")
    for question in QUESTIONS:
        found = best(question)
        chosen = "the same" if found.order[0] == 0 else cell(found.best)
        print(f"| {cell(question)} | {cell(found.samples[0].text)} | {chosen} |", flush=True)


def cell(text: str) -> str:
    return html.escape(" ".join(text.replace("|", "\\|").split()), quote=False) or "(empty)"


if __name__ == "__main__":
    main()
