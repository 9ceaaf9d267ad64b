"""Combine in-context learning and Cappy: every prompt begins with worked examples of the train part.

    cappy data fetch bigbench && cappy models --fetch smollm2
    python scripts/bigbench/in_context.py [--shots 3] [--task object_counting] [--llm smollm2] [--seed 0]

The language model sees the examples. Cappy judges by the instruction alone, and is adapted to samples drawn in the same
way.
"""

from __future__ import annotations

from common import measure, options

import cappy


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--shots", type=int, default=3, help="maximum worked examples before a prompt")
    chosen = parser.parse_args()
    measure(f"{chosen.shots} shots", cappy.find_llm(chosen.llm, context=4096), chosen, chosen.shots)


if __name__ == "__main__":
    main()
