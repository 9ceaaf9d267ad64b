from __future__ import annotations

from dataclasses import asdict, replace

from cappy.training.card import model_card
from cappy.training.recipes import MINI
from tests.docs.test_prose import PARAGRAPH_WORDS, paragraphs, words


def test_a_card_tells_how_the_checkpoint_came_to_be() -> None:
    facts = {
        "recipe": asdict(MINI),
        "encoder": "someone/encoder",
        "parameters": 109_486_849,
        "seed": 7,
        "training_groups": 123,
        "groups_by_task": {"a": 100, "b": 23},
        "progress": {"step": 50, "tokens": 2_000_000, "seconds": 600.0},
        "threads": 2,
        "computed_in": "bfloat16",
        "development": {
            "groups": 9,
            "accuracy": 0.5,
            "mean_over_tasks": 0.4,
            "squared_error": 0.1,
            "by_task": {"a": 0.25},
        },
    }
    card = model_card("my-scorer", facts, "## Measured\n\nwell\n")
    assert card.startswith("---\nlibrary_name: cappy")
    for text in (
        "base_model: someone/encoder",
        "seed 7",
        "123 of 2 tasks",
        "2.0M packed tokens",
        "| a | 25.0 |",
        "## Measured",
    ):
        assert text in card
    assert "cappy.load('my-scorer')" in card
    assert "dropout" not in card
    assert "dropout 0.1" in model_card("base", {**facts, "recipe": asdict(replace(MINI, dropout=0.1))})
    many = {**facts["development"], "by_task": {f"task{number}": 0.5 for number in range(PARAGRAPH_WORDS)}}
    whole = model_card("my-scorer", {**facts, "development": many})
    assert max(map(words, paragraphs(whole))) <= PARAGRAPH_WORDS
    limits = card[card.index("## Limits") :]
    assert "An encoder of 109M parameters knows few facts" in limits
    longer = "(440 in similarity groups, 256 in statements groups)"
    assert f"at most 192 tokens {longer} and responses of at most 48" in limits
    assert "for which it was not trained" in card
    averaged = {**facts, "averaged": {"share": 0.25, "other": 0.75, "first": "the-first"}}
    del averaged["development"]
    card = model_card("my-scorer", averaged)
    assert "0.25 times those of the run below plus 0.75 times those of the-first" in card
    assert "Development split" not in card
    assert "| code |" not in card
    assert "| code | commit 0123abc |" in model_card("my-scorer", {**facts, "code": "0123abc"})
