"""Lots: training and held-out groups that are encoded alike, in the order in which they are trained on."""

from __future__ import annotations

from dataclasses import dataclass

from cappy.layout.limits import Limits
from cappy.training import continuations, natural_instructions, open_answers, similarity, statements
from cappy.training.derived import pair_limits
from cappy.training.recipes import Recipe

TRAINING = "training"
DEVELOPMENT = "development"
APART = (natural_instructions.TASK, open_answers.TASK)
"""Tasks whose held-out groups are measured separately."""
_DERIVED = (similarity.TASK, statements.TASK, continuations.TASK)
_TRAINING_ORDER = ("", open_answers.TASK, *_DERIVED)
_HELD_OUT_ORDER = ("", *_DERIVED, *APART)


@dataclass(frozen=True, slots=True)
class Lot:
    """Groups on one side of the split that are encoded alike.

    `task`: of derived groups, of open answers, and of held-out groups that are measured separately; "" for all others.
    `joint`: these training groups are in the joint layout, whatever the recipe's is.
    """

    held_out: bool
    task: str = ""
    joint: bool = False

    @property
    def set(self) -> str:
        """The set that the lot belongs to: training, development, or a task that is measured separately."""
        return (self.task or DEVELOPMENT) if self.held_out else TRAINING

    @property
    def order(self) -> tuple[bool, int, bool]:
        """The sort key of the lots of a run."""
        tasks = _HELD_OUT_ORDER if self.held_out else _TRAINING_ORDER
        return self.held_out, tasks.index(self.task), self.joint


def task_limits(recipe: Recipe, task: str = "") -> Limits:
    """Return the token limits of a task's groups in training; long lists of options and open answers get more."""
    if task == open_answers.TASK and (plan := recipe.open_answers):
        limits = pair_limits(plan.instruction_tokens, plan.response_tokens)
        return Limits(limits.max_tokens, limits.response_tokens, response_limit=plan.longest_response)
    wider = {similarity.TASK: recipe.similarity, statements.TASK: recipe.statements}.get(task)
    return pair_limits(wider.instruction_tokens if wider else recipe.instruction_tokens, recipe.response_tokens)
