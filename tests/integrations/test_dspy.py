"""DSPy: BestOfN and Refine with Cappy's reward, over a language model behind HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cappy
from tests.integrations.conftest import ASKED, TEXTS, Talking
from tests.integrations.page import run_block

dspy = pytest.importorskip("dspy", reason="DSPy is not installed: make test-neighbours")


def written(**fields: str) -> str:
    """Write fields as DSPy's chat adapter wants a language model to."""
    parts = [f"[[ ## {name} ## ]]\n{text}" for name, text in fields.items()]
    return "\n\n".join([*parts, "[[ ## completed ## ]]"])


@pytest.fixture
def answers(talking: Talking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A language model that gives `TEXTS` in turn, with some reasoning before."""
    monkeypatch.setenv("DSPY_CACHEDIR", str(tmp_path))
    with talking([written(reasoning="It is so.", answer=text) for text in TEXTS]) as address:
        lm = dspy.LM("openai/stub", api_base=address, api_key="none", cache=False)
        with dspy.context(lm=lm):
            yield lm


def test_best_of_n_returns_the_answer_that_scores_best(scorer: cappy.Scorer, answers: Any) -> None:
    from cappy.integrations.dspy import CappyPredictionReward

    seen: list[tuple[str, float]] = []
    reward = CappyPredictionReward(scorer)

    def watched(args: dict[str, Any], pred: Any) -> float:
        seen.append((pred.answer, reward(args, pred)))
        return seen[-1][1]

    best = dspy.BestOfN(dspy.ChainOfThought("question -> answer"), N=3, reward_fn=watched, threshold=2.0)
    assert best(question=ASKED).answer == "positive"
    assert seen == [(text, pytest.approx(scorer.score(ASKED, text))) for text in TEXTS]


def test_refine_stops_where_the_reward_is_reached(scorer: cappy.Scorer, answers: Any) -> None:
    from cappy.integrations.dspy import CappyPredictionReward

    threshold = scorer.score(ASKED, "negative") - 0.01  # the first answer will do
    refined = dspy.Refine(dspy.ChainOfThought("question -> answer"), 3, CappyPredictionReward(scorer), threshold)
    assert refined(question=ASKED).answer == "negative"


def test_instructions_and_outputs_can_be_named(scorer: cappy.Scorer) -> None:
    from cappy.integrations.dspy import CappyPredictionReward

    text, question = ASKED.split("\n")
    pred = dspy.Prediction(reasoning="It says so.", answer=TEXTS[1])
    expected = scorer.score(ASKED, TEXTS[1])
    asked = {"context": [text], "question": question}
    assert CappyPredictionReward(scorer)(asked, pred) == expected
    assert CappyPredictionReward(scorer, "{context}\n{question}")(asked, pred) == expected
    assert (
        CappyPredictionReward(scorer, lambda args: f"{args['context'][0]}\n{args['question']}")(asked, pred) == expected
    )
    reasoning = CappyPredictionReward(scorer, "{question}", output="reasoning")(asked, pred)
    assert reasoning == scorer.score(question, "It says so.")
    assert CappyPredictionReward(scorer)({"question": "Is snow white?"}, dspy.Prediction(is_so=True)) == scorer.score(
        "Is snow white?", "True"
    )
    with pytest.raises(cappy.InputError, match="no field 'reply'"):
        CappyPredictionReward(scorer, output="reply")(asked, pred)


def test_the_page_is_right(answers: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run_block("dspy.BestOfN(", capsys)
