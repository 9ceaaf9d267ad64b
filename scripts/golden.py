"""Pin what the bundled scorer gives for a few pairs in tests/golden.json; run it when a new checkpoint is bundled."""

from __future__ import annotations

import json
from pathlib import Path

import cappy

ROOT = Path(__file__).parent.parent


def main() -> None:
    groups = [json.loads(line) for line in (ROOT / "examples" / "rank.jsonl").read_text(encoding="utf-8").splitlines()]
    pairs = [(group["instruction"], text) for group in groups for text in group["candidates"]]
    pairs += [
        ("", "an empty instruction"),
        ("an empty response", ""),
        ("Ünïcödé — 東京?", "東京 🗼"),
        ("long " * 900, "word " * 300),
    ]
    scorers = {precision: cappy.load(precision=precision) for precision in ("fp32", "int8")}
    golden = [
        {"instruction": i, "response": r, **{name: round(scorer.score(i, r), 6) for name, scorer in scorers.items()}}
        for i, r in pairs
    ]
    (ROOT / "tests" / "golden.json").write_text(
        json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
