"""Without its library an integration says which extra brings it; what needs none works."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys

import pytest

import cappy
from cappy.integrations.given import best_of_given

NEEDED = [
    ("langchain", "langchain_core", "langchain"),
    ("llama_index", "llama_index", "llama-index"),
    ("haystack", "haystack", "haystack"),
    ("lm_eval", "lm_eval", "lm-eval"),
    ("mcp", "mcp", "mcp"),
]


@pytest.mark.parametrize(("module", "library", "extra"), NEEDED)
def test_a_missing_library_is_named_by_its_extra(
    module: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name == library or name.startswith(f"{library}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, f"cappy.integrations.{module}", raising=False)
    with pytest.raises(cappy.MissingExtraError, match=rf"pip install 'cappy-scorer\[{extra}\]'"):
        importlib.import_module(f"cappy.integrations.{module}")


def test_sampling_a_model_in_memory_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from cappy.integrations.trl import best_of_n

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(cappy.MissingExtraError, match=r"'cappy-scorer\[trl\]'"):
        best_of_n(None, None, None)  # type: ignore[arg-type]


def test_the_command_says_what_it_needs() -> None:
    code = "import sys; sys.modules['mcp'] = None; from cappy.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "mcp", "-m", "mini"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2 and "cappy-scorer[mcp]" in done.stderr and not done.stdout


def test_given_responses_are_chosen_among_as_samples_are(scorer: cappy.Scorer) -> None:
    texts = ["", "Paris", "It is Paris.", "a dog"]
    found = best_of_given(scorer, "What is the capital of France?", texts)
    assert found.best in ("Paris", "It is Paris.") and found.order[-1] == 0
    assert [sample.text for sample in found.samples] == texts
    assert best_of_given(scorer, "What?", texts, "longest").best == "It is Paris."
    for wrong in ([], "a text", ["a", None]):
        with pytest.raises(cappy.InputError, match="list of at least one"):
            best_of_given(scorer, "What?", wrong)
    with pytest.raises(cappy.InputError, match="self-sum"):
        best_of_given(scorer, "What?", texts, "self-sum")


def test_rewards_need_no_library(scorer: cappy.Scorer) -> None:
    from cappy.integrations.trl import CappyReward

    reward = CappyReward(scorer)
    prompts, said = ["Is snow white?", "Is grass red?", "Is snow white?"], ["Yes", "No", " "]
    found = reward(prompts=prompts, completions=said, completion_ids=[], anything=1)
    assert found[:2] == pytest.approx([scorer.score("Is snow white?", "Yes"), scorer.score("Is grass red?", "No")])
    assert found[2] == min(0.0, scorer.score("Is snow white?", " "))
    talk = [[{"role": "user", "content": prompt}] for prompt in prompts]
    answers = [[{"role": "assistant", "content": text}] for text in said]
    assert reward(talk, answers)[:2] == found[:2]
    called = {"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": "{}"}}]}
    turns = [called, {"role": "tool", "content": "a long result"}, {"role": "assistant", "content": "Yes"}]
    assert reward(talk[:1], [turns]) == pytest.approx([scorer.score("Is snow white?", "look({})\nYes")])
    assert pickle.loads(pickle.dumps(reward))(prompts, said) == found
    with pytest.raises(cappy.InputError, match="3 prompts and 1 completions"):
        reward(prompts, said[:1])
    with pytest.raises(cappy.InputError, match="cannot be read as messages"):
        reward([[{"content": "no role"}]], ["Yes"])
