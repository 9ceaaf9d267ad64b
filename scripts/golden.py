"""Write tests/golden.json: the bundled scorers' scores for a few pairs. Run it when a new checkpoint is bundled.

`int7` is int8 with 7-bit weights, for processors without VNNI. Such a processor cannot compute `int8`: its entries are
kept, and the script must also be run on a processor that can.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import cappy
from cappy.checkpoint.find import BUNDLED
from cappy.runtime import onnx_session

ROOT = Path(__file__).parent.parent
LEVELS = {"int8": 127, "int7": 63}


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
    target = ROOT / "tests" / "golden.json"
    before = {(one["instruction"], one["response"]): one for one in json.loads(target.read_text(encoding="utf-8"))}
    exact = onnx_session.weight_levels(onnx_session.byte_product(1)) == LEVELS["int8"]
    for name in BUNDLED:
        scorers = {"fp32": cappy.load(name, precision="fp32")}
        for precision, levels in LEVELS.items():
            if precision != "int8" or exact:
                with mock.patch.object(onnx_session, "weight_levels", return_value=levels):
                    scorers[precision] = cappy.load(name, precision="int8")
        for pair in golden:
            texts = pair["instruction"], pair["response"]
            found = {precision: round(scorer.score(*texts), 6) for precision, scorer in scorers.items()}
            pair[name] = {**before.get(texts, {}).get(name, {}), **found}
    target.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
