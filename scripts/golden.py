"""Pin what the bundled scorers give for a few pairs in tests/golden.json; run it when a new checkpoint is bundled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cappy
from cappy.checkpoint.find import BUNDLED

ROOT = Path(__file__).parent.parent


def main() -> None:
    groups = [
        json.loads(line) for line in (ROOT / "tests" / "golden_groups.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    pairs = [(group["instruction"], text) for group in groups for text in group["candidates"]]
    pairs += [
        ("", "an empty instruction"),
        ("an empty response", ""),
        ("Ünïcödé — 東京?", "東京 🗼"),
        ("long " * 900, "word " * 300),
    ]
    golden: list[dict[str, Any]] = [{"instruction": i, "response": r} for i, r in pairs]
    for name in BUNDLED:
        scorers = {precision: cappy.load(name, precision=precision) for precision in ("fp32", "int8")}
        for pair in golden:
            texts = pair["instruction"], pair["response"]
            pair[name] = {precision: round(scorer.score(*texts), 6) for precision, scorer in scorers.items()}
    (ROOT / "tests" / "golden.json").write_text(
        json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
