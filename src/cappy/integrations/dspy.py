"""DSPy: Cappy's score as the `reward_fn` of `dspy.BestOfN` and `dspy.Refine`.

Both take any callable, so nothing of DSPy is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cappy.errors import InputError

if TYPE_CHECKING:
    from cappy.scorer import Scorer


class CappyPredictionReward:
    """A reward of a prediction: how correct its output is, about 0 for wrong and about 1 for right.

    >>> dspy.BestOfN(module, N=8, reward_fn=CappyPredictionReward(cappy.load()), threshold=0.95)

    The instruction is made of the module's inputs, one per line in the order of the call. The response is the
    prediction's last field, which follows any reasoning.

    Args:
        scorer: what scores.
        instruction: a template with the names of inputs in braces ("{context} {question}"), or a function of the
            inputs; all inputs unless given.
        output: the name of the field that is judged; the last one unless given.

    """

    def __init__(
        self, scorer: Scorer, instruction: str | Callable[[Mapping[str, Any]], str] | None = None, output: str = ""
    ) -> None:
        """Store the settings."""
        self.scorer, self.instruction, self.output = scorer, instruction, output

    def __call__(self, args: Mapping[str, Any], pred: Any) -> float:
        """Return the reward of a prediction (a `dspy.Prediction`) for a module's inputs.

        Raises:
            InputError: the prediction has no such field.

        """
        fields = dict(pred.items())
        name = self.output or next(reversed(fields), "")
        if name not in fields:
            raise InputError(f"the prediction has no field {name!r}; it has {', '.join(fields) or 'none'}.")
        return self.scorer.score(self._asked(args), _text(fields[name]))

    def _asked(self, args: Mapping[str, Any]) -> str:
        if callable(self.instruction):
            return self.instruction(args)
        if self.instruction is None:
            return "\n".join(_text(value) for value in args.values())
        # Not str.format: templates and texts may contain braces of their own.
        names = "|".join(map(re.escape, args))
        return (
            re.sub(rf"\{{({names})\}}", lambda found: _text(args[found[1]]), self.instruction)
            if args
            else self.instruction
        )


def _text(value: Any) -> str:
    """Write a field as text: lists an element a line."""
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
