from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cappy
from cappy import Group, InputError


@pytest.fixture(scope="module")
def scorer(shared_bert: Path) -> cappy.Scorer:
    return cappy.load(shared_bert)


def test_score_of_one_and_of_several(scorer: cappy.Scorer) -> None:
    single = scorer.score("what is the capital of france", "paris")
    several = scorer.score("what is the capital of france", ["rome", "paris"])
    assert isinstance(single, float)
    assert isinstance(several, np.ndarray)
    assert several.shape == (2,)
    assert several[1] == pytest.approx(single, abs=1e-5)


def test_rank_orders_and_keeps_places(scorer: cappy.Scorer) -> None:
    candidates = ["paris", "rome", "berlin", "rome"]
    scores = scorer.score("what city ?", candidates)
    ranking = scorer.rank("what city ?", candidates)
    assert [item.score for item in ranking] == sorted(scores.tolist(), reverse=True)
    assert all(candidates[item.index] == item.text for item in ranking)
    twins = [item.index for item in ranking if item.text == "rome"]
    assert twins == [1, 3]  # ties keep input order
    assert len(scorer.rank("what city ?", candidates, top_k=2)) == 2
    assert ranking.top_k(2).items == scorer.rank("what city ?", candidates, top_k=2).items
    assert ranking[0] == ranking.best
    assert ranking.best.text in str(ranking).splitlines()[0]


def test_score_groups_streams_in_input_order(scorer: cappy.Scorer) -> None:
    texts = ["paris", "a big red dog in the house by the river", "one", "blue sky"]
    groups = [(f"question {i} " * (i % 7), texts[: 1 + i % 4]) for i in range(50)]
    expected = [scorer.score(instruction, responses).tolist() for instruction, responses in groups]
    got = [scored.scores for scored in scorer.score_groups(groups)]
    for one, other in zip(got, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_score_groups_holds_a_bounded_window_of_an_endless_stream(scorer: cappy.Scorer) -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield Group.of("what ?", ["yes", "no"])

    stream = scorer.score_groups(endless())  # type: ignore[arg-type]
    for _ in range(3):
        next(stream)
    assert taken <= 2048


def test_a_pickled_scorer_loads_itself_again(shared_bert: Path) -> None:
    scorer = cappy.load(shared_bert, layout="joint", max_tokens=60)
    again = pickle.loads(pickle.dumps(scorer))
    assert (again.layout, again.limits) == (scorer.layout, scorer.limits)
    assert again.score("q", "yes") == pytest.approx(scorer.score("q", "yes"), abs=1e-6)


def test_no_groups_give_no_scores(scorer: cappy.Scorer) -> None:
    assert list(scorer.score_groups([])) == []
    assert list(scorer.score_groups([], progress=True)) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00",
        "a\x00b",
        "lone \ud800 surrogate",
        "pair \ud83d\ude00",
        "[SEP] [CLS]",
        "\u200b",
        "🦆" * 300,
        "word " * 100_000,
    ],
    ids=["empty", "nul", "inner-nul", "lone-surrogate", "surrogate-pair", "specials", "invisible", "emoji", "huge"],
)
def test_odd_texts_get_a_finite_score_anywhere(scorer: cappy.Scorer, text: str) -> None:
    assert np.isfinite(scorer.score(text, ["yes", "no"])).all()
    assert np.isfinite(scorer.score("is it ?", text))


def test_special_tokens_in_a_text_are_ordinary_text(scorer: cappy.Scorer) -> None:
    ids = scorer.checkpoint.tokenizer.encode(["[SEP]"])[0]
    assert scorer.checkpoint.tokenizer.sep_id not in ids


def test_cuts_are_reported(scorer: cappy.Scorer) -> None:
    item = scorer.rank("question " * 200, ["yes " * 50])[0]
    assert item.cut.response == 50 - 32
    assert item.cut.instruction > 0
    assert "cut" in str(scorer.rank("question " * 200, ["yes"]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.rank("q", []), "no candidates"),
        (lambda s: s.rank("q", "text"), "list of texts"),
        (lambda s: s.rank("q", ["a"], top_k=0), "top_k"),
        (lambda s: s.rank(None, ["a"]), "instruction must be text"),
        (lambda s: s.rank("q", ["a", 3]), "candidate 1 must be text, not int"),
        (lambda s: s.score("q", []), "no candidates"),
        (lambda s: list(s.score_groups([("q", ["a"]), ("q", [])])), "group 1: there are no candidates"),
        (lambda s: list(s.score_groups([("q", "abc")])), "group 0"),
    ],
)
def test_unusable_input_is_named(scorer: cappy.Scorer, call: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call(scorer)  # type: ignore[operator]


def test_no_finite_score_is_an_error_that_names_the_candidate(scorer: cappy.Scorer) -> None:
    class Broken:
        batch_tokens = 2048

        def score(self, batch: object) -> np.ndarray:
            scores = np.zeros(len(batch.segments.lengths), dtype=np.float32)  # type: ignore[attr-defined]
            scores[1] = np.nan
            return scores

    broken = cappy.Scorer(scorer.checkpoint, Broken(), scorer._conventions, scorer.limits)
    with pytest.raises(InputError, match="candidate 1"):
        broken.score("q", ["a", "b", "c"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"runtime": "jax"}, "runtime"),
        ({"layout": "long"}, "layout"),
        ({"precision": "int4"}, "precision"),
        ({"runtime": "torch", "precision": "int8"}, "int8"),
        ({"device": "cuda"}, "device"),
        ({"max_tokens": 5000}, "max_tokens"),
        ({"truncation_side": "top"}, "side"),
        ({"cache_mib": -1}, "cache_mib is -1"),
        *(({"threads": -1, "runtime": name}, "threads is -1") for name in ("onnx", "openvino", "torch")),
    ],
)
def test_unknown_options_are_refused(shared_bert: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        cappy.load(shared_bert, **options)  # type: ignore[arg-type]


def test_import_brings_no_torch_and_scoring_neither(shared_bert: Path) -> None:
    code = (
        "import sys, cappy; assert 'numpy' not in sys.modules and 'onnxruntime' not in sys.modules\n"
        f"cappy.load({str(shared_bert)!r}).score('q', 'a'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
