"""TRL: two real steps of GRPO with Cappy's reward, and best of n from the model that was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cappy
from tests.conftest import word_tokenizer
from tests.integrations.page import run_block

trl = pytest.importorskip("trl", reason="TRL is not installed: make test-neighbours")
TEMPLATE = "{% for message in messages %}{{ message['content'] }} {% endfor %}"


@pytest.fixture
def tiny() -> tuple[Any, Any]:
    """A random GPT-2 of two layers, and its tokenizer of words."""
    import transformers

    words = word_tokenizer(["[PAD]", "[CLS]", "[SEP]", "[UNK]"])
    names = {"pad_token": "[PAD]", "eos_token": "[SEP]", "unk_token": "[UNK]"}
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, **names)
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": len(tokenizer)}
    ends = {"bos_token_id": 1, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    transformers.set_seed(0)
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, **ends)), tokenizer


def settings(folder: Path, kind: str = "GRPO") -> Any:
    return getattr(trl, f"{kind}Config")(
        output_dir=str(folder),
        max_steps=2,
        beta=0.0,  # no reference model
        num_generations=4,
        per_device_train_batch_size=4,
        max_completion_length=6,
        report_to=[],
        use_cpu=True,
        bf16=False,
        logging_steps=1,
        save_strategy="no",
    )


def trained(model: Any, tokenizer: Any, prompts: list[Any], scorer: Any, folder: Path, kind: str = "GRPO") -> Any:
    from datasets import Dataset

    from cappy.integrations.trl import CappyReward

    rows = Dataset.from_dict({"prompt": prompts})
    trainer = getattr(trl, f"{kind}Trainer")(
        model=model,
        reward_funcs=CappyReward(scorer),
        args=settings(folder, kind),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    trainer.train()
    return trainer


def test_grpo_is_rewarded_by_the_score(scorer: cappy.Scorer, tiny: tuple[Any, Any], tmp_path: Path) -> None:
    seen: list[tuple[list[str], list[str], list[float]]] = []
    score_groups = scorer.score_groups

    class Watched:
        def score_groups(self, groups: Any) -> Any:
            for group, scored in zip(groups, score_groups(groups), strict=True):
                seen.append((group[0], group[1], scored.scores))
                yield scored

    trainer = trained(*tiny, ["is the sky blue ?", "what is the capital of france ?"], Watched(), tmp_path)
    logged = [entry for entry in trainer.state.log_history if "rewards/cappy/mean" in entry]
    assert len(logged) == 2 and len(seen) >= 2
    asked, said, scores = seen[0]
    assert len(said) == 4 and asked in ("is the sky blue ?", "what is the capital of france ?")
    rewards = [score if text.strip() else min(0.0, score) for text, score in zip(said, scores, strict=True)]
    assert logged[0]["rewards/cappy/mean"] == pytest.approx(sum(rewards) / 4, abs=1e-4)


@pytest.mark.parametrize("kind", ["GRPO", "RLOO"])
def test_conversations_are_rewarded(kind: str, scorer: cappy.Scorer, tiny: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = tiny
    tokenizer.chat_template = TEMPLATE
    prompts = [[{"role": "user", "content": text}] for text in ("is the sky blue ?", "what is paris ?")]
    trainer = trained(model, tokenizer, prompts, scorer, tmp_path, kind)
    assert any("rewards/cappy/mean" in entry for entry in trainer.state.log_history)


def test_best_of_n_of_a_model_in_training(scorer: cappy.Scorer, tiny: tuple[Any, Any]) -> None:
    from cappy.integrations.trl import best_of_n

    model, tokenizer = tiny
    model.train()
    best = best_of_n(model, tokenizer, scorer, n=4, selector="cappy", max_tokens=6, seed=3)
    result = best("is the sky blue ?")
    assert len(result) == 4 and model.training and all(sample.log_likelihood < 0 for sample in result.samples)
    values = [value for value, _ in result]
    assert values == sorted(values, reverse=True)
    assert result.best == best("is the sky blue ?").best  # the same seed, the same samples
    with pytest.raises(cappy.InputError, match="no chat template"):
        best_of_n(model, tokenizer, scorer, chat=True)
    tokenizer.chat_template = TEMPLATE
    assert "chat" in best_of_n(model, tokenizer, scorer).llm.name


def test_the_page_is_right(tiny: tuple[Any, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from datasets import Dataset

    model, tokenizer = tiny
    dataset = Dataset.from_dict({"prompt": ["is the sky blue ?", "what is paris ?"]})
    has = {"model": model, "tokenizer": tokenizer, "dataset": dataset, "config": settings(tmp_path)}
    found = run_block("GRPOTrainer(", capsys, **has)
    assert found["trainer"].state.global_step == 2
    assert found["rewards"] == pytest.approx([-0.02, 1.03, -0.03], abs=0.03)
