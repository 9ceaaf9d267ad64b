"""The scorer in the package: that it is whole, small, and scores what it scored when it was released."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import cappy
from cappy.checkpoint.find import BUNDLED, bundled_folder
from cappy.checkpoint.save import damaged_files
from cappy.runtime.onnx_session import byte_product, weight_levels
from cappy.runtime.processor import native_bfloat16

GOLDEN = json.loads((Path(__file__).parents[1] / "golden.json").read_text(encoding="utf-8"))


needs_bfloat16 = pytest.mark.skipif(not native_bfloat16(), reason="the processor has no bfloat16 units")
INT8_TOLERANCE = {"cappy-base": 2e-2, "cappy-mini": 2e-3}
"""Larger encoders round more often; see docs/concepts/precision.md."""
OTHER_SUMS = {"cappy-base": 6e-2, "cappy-mini": 2e-2}
"""Where vectors are not of 16 floats as where the golden scores were made, softmax adds up in another order."""
CPUINFO = Path("/proc/cpuinfo")
WIDE_VECTORS = CPUINFO.exists() and "avx512f" in CPUINFO.read_text(encoding="utf-8")
SIZES = {"cappy-base": 120e6, "cappy-mini": 60e6}  # what README promises, rounded up


@pytest.mark.parametrize("name", BUNDLED)
def test_the_package_holds_a_whole_checkpoint_of_the_size_promised(name: str) -> None:
    folder = bundled_folder(name)
    assert damaged_files(folder) == []
    assert sum(path.stat().st_size for path in folder.iterdir()) < SIZES[name]
    card = (folder / "README.md").read_text(encoding="utf-8")
    for part in ("## Training", "## Data and licences", "## Held-out tasks", "## int8 against fp32", "## Limits"):
        assert part in card


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_golden_scores(name: str, precision: str) -> None:
    scorer = cappy.load(name, precision=precision)
    pairs = [(pair["instruction"], [pair["response"]]) for pair in GOLDEN]
    got = [scored.scores[0] for scored in scorer.score_groups(pairs)]
    # Other processors round int8 products the same way but add float32 in another order; those whose products of
    # bytes saturate round weights to 7 bits.
    pinned = "int7" if precision == "int8" and weight_levels(byte_product(1)) < 127 else precision
    rounded = INT8_TOLERANCE if WIDE_VECTORS else OTHER_SUMS
    tolerance = 1e-4 if precision == "fp32" else rounded[name]
    assert got == pytest.approx([pair[name][pinned] for pair in GOLDEN], abs=tolerance)


@pytest.mark.parametrize("name", BUNDLED)
@needs_bfloat16
def test_golden_scores_in_bfloat16(name: str) -> None:
    scorer = cappy.load(name, runtime="openvino", precision="bf16")
    got = [scorer.score(pair["instruction"], pair["response"]) for pair in GOLDEN]
    assert got == pytest.approx([pair[name]["fp32"] for pair in GOLDEN], abs=0.05)  # int8 is up to 0.08 away


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize(
    ("runtime", "precision", "tolerance"),
    [("onnx", "fp32", 1e-5), ("onnx", "int8", 1e-5), pytest.param("openvino", "bf16", 1e-3, marks=needs_bfloat16)],
)
def test_company_changes_nothing(name: str, runtime: str, precision: str, tolerance: float) -> None:
    """The promise on the real encoder: rounding could tip over by a single bit that padding changed."""
    draw = random.Random(0)
    words = "the cat wrote seven long letters to Paris while London burned quietly near two rivers".split()

    def text(longest: int) -> str:
        return " ".join(draw.choices(words, k=draw.randint(1, longest)))

    scorer = cappy.load(name, runtime=runtime, precision=precision)
    groups = [(text(90), [text(40) for _ in range(draw.randint(1, 9))]) for _ in range(12)]
    for (instruction, responses), together in zip(groups, scorer.score_groups(groups), strict=True):
        alone = [scorer.score(instruction, response) for response in responses]
        assert together.scores == pytest.approx(alone, abs=tolerance)


def test_the_examples_come_out_right() -> None:
    scorer = cappy.load()
    headlines = ["Council bans all cars from the city centre", "Harbour bridge to close for repairs until spring"]
    article = "The city council voted to close the old harbour bridge for repairs until spring."
    assert scorer.rank(f"Write a headline for this article: {article}", headlines).best.index == 1
    reviews = cappy.Classifier(["negative", "positive"], "{text}\nIs this review positive or negative?", scorer=scorer)
    assert reviews.predict(["A wonderful, moving film.", "Dull and far too long."]).tolist() == ["positive", "negative"]


def test_the_demo_runs_as_it_stands() -> None:
    import subprocess
    import sys

    demo = Path(__file__).parents[2] / "examples" / "demo.py"
    run = subprocess.run([sys.executable, str(demo)], check=True, capture_output=True, text=True)
    groups = (demo.parent / "demo.jsonl").read_text(encoding="utf-8").splitlines()
    assert run.stdout.count("HIT") + run.stdout.count("MISS") == len(groups) >= 20
    assert "cappy-base" in run.stdout and run.stdout.count("HIT") >= 18


def test_base_reads_where_the_danube_ends() -> None:
    text = "The Danube flows from the Black Forest through ten countries of Europe into the Black Sea."
    answers = ["Europe", "the Black Forest", "the Black Sea", "the North Sea"]
    assert cappy.load().rank(f"{text}\nInto which sea does the Danube flow?", answers).best.text == "the Black Sea"


@pytest.mark.parametrize("name", ["base", "mini"])
def test_bundled_embeddings_know_what_is_alike(name: str) -> None:
    scorer = cappy.load(name)
    pairs = [
        ("How do I reset my password?", "I forgot my login and need a new one."),
        ("The match ended in a draw.", "Neither team won the game."),
        ("Add two eggs and stir.", "Mix in a couple of eggs."),
        ("The river burst its banks.", "Flood water covered the fields."),
    ]
    left, right = (scorer.embed([pair[side] for pair in pairs]) for side in (0, 1))
    assert (left @ right.T).argmax(axis=1).tolist() == [0, 1, 2, 3]
