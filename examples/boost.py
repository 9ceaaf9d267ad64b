"""Lets a small language model answer several times and shows what Cappy thinks of the answers.

pip install '.[llm]' && cappy models --fetch smollm2 && python examples/boost.py
"""

from __future__ import annotations

import cappy

QUESTIONS = (
    "Name the capital of France.",
    "Which is heavier, a kilogram of iron or two kilograms of feathers?",
    "Write one sentence about a lighthouse in a storm.",
)


def main() -> None:
    boost = cappy.BestOfN(cappy.find_llm("smollm2"), cappy.load(), n=8, max_tokens=40)
    for answer in boost.many(QUESTIONS):
        print(f"\n{answer.instruction}  ({len(answer)} samples, {answer.tokens} tokens)")
        for place, (score, text) in enumerate(answer, 1):
            print(f"{place:>3}. {score:7.4f}  {' '.join(text.split())[:100]}")


if __name__ == "__main__":
    main()
