"""Rank choices by a language model's log-likelihood: sum, mean, or with the prior subtracted."""

from __future__ import annotations

from collections.abc import Sequence

from cappy.llm.likelihood import ResponseLikelihood

RULES = ("sum", "mean", "pmi")


def rule_scores(
    behind_prompt: Sequence[ResponseLikelihood], prior: Sequence[ResponseLikelihood]
) -> dict[str, list[float]]:
    """Return the scores of a prompt's choices [choices] under every rule of `RULES`.

    `sum`: log p(choice | prompt). `mean`: the same per token (Self-Score sum and mean in Tan et al., 2023, section
    4.2). `pmi`: log p(choice | prompt) - log p(choice), pointwise mutual information, which corrects for choices that
    are likely anywhere (Holtzman et al., 2021, arXiv 2104.08315, with an empty premise for every task).
    """
    return {
        "sum": [item.total for item in behind_prompt],
        "mean": [item.mean for item in behind_prompt],
        "pmi": [item.total - alone.total for item, alone in zip(behind_prompt, prior, strict=True)],
    }
