"""Measure every selector on a plain language model's samples of one BIG-Bench task.

    cappy data fetch bigbench && cappy models --fetch smollm2
    python scripts/bigbench/plain.py [--task object_counting] [--llm smollm2] [--seed 0]

`cappy eval bigbench` does the same for all tasks.
"""

from __future__ import annotations

from common import measure, options

import cappy


def main() -> None:
    chosen = options(__doc__).parse_args()
    measure("plain", cappy.find_llm(chosen.llm, context=4096), chosen)


if __name__ == "__main__":
    main()
