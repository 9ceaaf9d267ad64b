"""TRL: Cappy's score as a reward for GRPO and RLOO, and best of n from a model that is being trained.

A reward function is an ordinary callable for TRL, so nothing of TRL is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cappy.boost import BestOfN
from cappy.errors import InputError, MissingExtraError
from cappy.text.conversation import instruction_of, response_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from cappy.scorer import Scorer

Messages = Sequence[Mapping[str, Any]]


class CappyReward:
    """A reward function: how correct each completion is, about 0 for wrong and about 1 for right.

    >>> GRPOTrainer(model, reward_funcs=CappyReward(cappy.load()), args=..., train_dataset=...)

    Prompts and completions may be texts or lists of messages. The reward of an empty completion is at most 0. The
    trainer logs the rewards as `rewards/cappy`.
    """

    def __init__(self, scorer: Scorer) -> None:
        """Score with this scorer; processes that the reward is sent to load their own."""
        self.scorer = scorer
        self.__name__ = "cappy"

    def __call__(
        self, prompts: Sequence[str | Messages], completions: Sequence[str | Messages], **_: Any
    ) -> list[float]:
        """Return the reward of every completion, in their order; the trainer's other arguments are ignored.

        Raises:
            InputError: there are not as many prompts as completions, or a message is none.

        """
        if len(prompts) != len(completions):
            raise InputError(f"there are {len(prompts)} prompts and {len(completions)} completions.")
        asked = [prompt if isinstance(prompt, str) else _read(instruction_of, prompt) for prompt in prompts]
        said = [text if isinstance(text, str) else _read(_said, text) for text in completions]
        # A prompt is read once for all its completions.
        groups: dict[str, list[int]] = {}
        for place, instruction in enumerate(asked):
            groups.setdefault(instruction, []).append(place)
        rewards = [0.0] * len(said)
        scored = self.scorer.score_groups([(text, [said[k] for k in places]) for text, places in groups.items()])
        for places, group in zip(groups.values(), scored, strict=True):
            for place, score in zip(places, group.scores, strict=True):
                rewards[place] = score if said[place].strip() else min(0.0, score)
        return rewards


def best_of_n(
    model: PreTrainedModel,
    processing_class: PreTrainedTokenizerBase,
    scorer: Scorer | None,
    n: int = 8,
    chat: bool | None = None,
    **options: Any,
) -> BestOfN:
    """Make a best-of-n sampler of a model in memory, such as `trainer.model`; call it with an instruction.

    Args:
        model: a causal or encoder-decoder model; its device and its training mode do not change.
        processing_class: its tokenizer, which is copied.
        scorer: the scorer that chooses; selectors that need no scores work without one.
        n: samples an instruction.
        chat: whether to apply the tokenizer's chat template; unless given, it is applied if there is one.
        options: those of `cappy.BestOfN`: `plan`, `selector`, `max_tokens`, `seed`, `adaptive`.

    Raises:
        InputError: an option does not fit the others.
        MissingExtraError: transformers is not installed.

    """
    try:
        from cappy.llm.transformers_llm import TransformersLLM

        llm = TransformersLLM.of(model, processing_class, chat=chat)
    except MissingExtraError as error:
        raise MissingExtraError("sampling from a model in memory", "trl") from error
    return BestOfN(llm, scorer, n, **options)


def _said(messages: Messages) -> str:
    """Return what the model wrote; what tools answered in between is not its own."""
    own = [response_of(message) for message in messages if message.get("role") != "tool"]
    return "\n".join(text for text in own if text)


def _read(how: Any, messages: Messages) -> str:
    try:
        return str(how(messages))
    except ValueError as error:
        raise InputError(f"a prompt or completion cannot be read as messages: {error}.") from error
