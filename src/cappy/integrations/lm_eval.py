"""lm-evaluation-harness: Cappy as a model for multiple-choice tasks.

`python -m cappy.integrations.lm_eval run --model cappy --tasks …` is the harness's own command with this model added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from cappy.errors import InputError, MissingExtraError
from cappy.scorer import Scorer, load

try:
    from lm_eval.api.instance import Instance
    from lm_eval.api.model import LM
    from lm_eval.api.registry import register_model
except ImportError as error:
    raise MissingExtraError("the lm-evaluation-harness integration", "lm-eval") from error


class CappyLM(LM):
    """Answers loglikelihood requests with the score of the continuation divided by the scorer's temperature.

    These numbers are logits of the choices, not log-likelihoods; their softmax gives the choices' probabilities. `acc`
    and `brier_score` are valid. `acc_norm`, which divides by lengths, and perplexities have no meaning.
    """

    def __init__(
        self,
        model: str | None = None,
        scorer: Scorer | None = None,
        batch_size: Any = None,
        max_batch_size: Any = None,
        device: Any = None,
        **options: Any,
    ) -> None:
        """Load the scorer named `model` (cappy-base unless given), or take the one given.

        `options` are those of `cappy.load`: `precision`, `layout`, `threads`. The batch sizes and the
        device, which the harness always passes, are ignored: the scorer packs its own batches.
        """
        super().__init__()
        self.scorer = scorer or load(model, **options)

    def loglikelihood(self, requests: Sequence[Instance]) -> list[tuple[float, bool]]:
        """Return a logit for each (context, continuation), and False: nothing is decoded greedily."""
        groups: dict[str, dict[str, float]] = {}
        for request in requests:
            context, continuation = request.args
            groups.setdefault(context.strip(), {})[continuation.strip()] = 0.0
        asked = [(context, list(said)) for context, said in groups.items()]
        for (context, texts), scored in zip(asked, self.scorer.score_groups(asked, progress=True), strict=True):
            groups[context] = dict(zip(texts, scored.scores, strict=True))
        return [
            (groups[context.strip()][continuation.strip()] / self.scorer.temperature, False)
            for context, continuation in (request.args for request in requests)
        ]

    def loglikelihood_rolling(self, requests: Sequence[Instance]) -> NoReturn:
        """Refuse: a scorer gives texts no likelihood."""
        raise _refusal("loglikelihood_rolling")

    def generate_until(self, requests: Sequence[Instance]) -> NoReturn:
        """Refuse: a scorer writes nothing."""
        raise _refusal("generate_until")


def _refusal(kind: str) -> InputError:
    return InputError(f"Cappy scores choices and cannot do {kind}; choose tasks of output_type multiple_choice.")


def register() -> None:
    """Make the model known to the harness as "cappy", as often as it is called."""
    from lm_eval.api.registry import model_registry

    if "cappy" not in model_registry:
        register_model("cappy")(CappyLM)


def main() -> None:
    """Run the harness's command line."""
    from lm_eval.__main__ import cli_evaluate

    register()
    cli_evaluate()


if __name__ == "__main__":
    main()
