"""Model cards: describe a checkpoint from the facts of its run and its measurements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FRONT = """---
library_name: cappy
license: apache-2.0
language: en
base_model: {encoder}
pipeline_tag: text-classification
tags: [cappy, scorer, reranking, regression]
---
"""
USE = """## Use

```python
import cappy

scorer = cappy.load({name!r})
scorer.rank("What is the capital of France?", ["Paris", "London", "Rome"])
```

The folder is an ordinary Hugging Face sequence-classification checkpoint with one linear output. It was trained in
{layout}
"""
SHARED = """the *shared* layout (the instruction is encoded once and does not see the responses); `transformers` and
`sentence_transformers.CrossEncoder` run it in the joint layout, {joint}."""
JOINT = """the *joint* layout, every pair alone, as `transformers` and `sentence_transformers.CrossEncoder` run it."""
LIMITS = """## Limits

- English only. Scores are raw regression outputs: about 0 is wrong, about 1 is right, and values outside that range
  occur. They compare responses to one instruction; they are not probabilities.
- {size} knows few facts. It judges fit to the instruction and its text better than
  truth about the world; arithmetic, code and long reasoning are beyond it.
- Trained on instructions of at most {instruction_tokens} tokens{longer} and responses of at most {response_tokens}.
  Longer ones are read (up to the limits in config.json) but were not seen in training.
- It reflects the biases of its training data: reviews, news, tweets and web text.
"""


AVERAGE = """## Averaged weights

Its weights are {share:g} times those of the run below plus {other:g} times those of {first}.
"""


def model_card(name: str, facts: Mapping[str, Any], measured: str = "") -> str:
    """Write the card of a checkpoint called `name` from the facts in `run.json`; `measured` is inserted as Markdown.

    An average of checkpoints has the fact "averaged": the `share` of the run, the `other` share, and the `first`
    checkpoint.
    """
    parts = [
        FRONT.format(encoder=facts["encoder"]),
        f"# {name}\n\nA scorer after Cappy (Tan et al., NeurIPS 2023, arXiv 2311.06720): it reads an instruction and a "
        "response and estimates how correct the response is.\n",
        USE.format(name=name, layout=_layout(facts["recipe"])),
        AVERAGE.format_map(facts["averaged"]) if facts.get("averaged") else "",
        _training(facts),
        _development(facts["development"]) if facts.get("development") else "",
        measured,
        _limits(facts["recipe"], facts.get("parameters")),
    ]
    return "\n".join(part for part in parts if part)


def _limits(recipe: Mapping[str, Any], parameters: int | None) -> str:
    plans = {name: recipe.get(name) or {} for name in ("similarity", "statements")}
    longer = [f"{plan['instruction_tokens']} in {name} groups" for name, plan in plans.items() if plan]
    size = f"An encoder of {parameters / 1e6:.3g}M parameters" if parameters else "An encoder of this size"
    return LIMITS.format_map({**recipe, "size": size, "longer": f" ({', '.join(longer)})" if longer else ""})


def _training(facts: Mapping[str, Any]) -> str:
    recipe, progress = facts["recipe"], facts["progress"]
    named = [*recipe["sources"], *recipe.get("further", ())]
    sources = ", ".join(sorted(source["file"] for source in named))
    data = {
        "rendered rows": f"`{recipe['rendered']}` without {', '.join(recipe['left_out'])}",
        "further sets": sources or "none",
        **_instructions(recipe),
    }
    if facts.get("groups_from"):
        data = {"groups from": f"`{Path(facts['groups_from']).name}`"}
    rows = {
        "recipe": f"`{recipe['name']}`, seed {facts['seed']}",
        **({"code": f"commit {facts['code']}"} if facts.get("code") else {}),
        "encoder": facts["encoder"],
        **({"starting weights": facts["start"]} if facts.get("start") else {}),
        "groups": f"{facts['training_groups']} of {len(facts['groups_by_task'])} tasks",
        "similarity groups": _similarity(recipe.get("similarity"), facts["groups_by_task"].get("similarity", 0)),
        **{name: _made(name, facts) for name in ("statements", "continuations") if recipe.get(name)},
        **data,
        "steps": f"{progress['step']}, {progress['tokens'] / 1e6:.1f}M packed tokens in all",
        "time": f"{progress['seconds'] / 60:.0f} minutes on {_device(facts)} in {facts['computed_in']}",
        **_negatives(recipe, bool(facts.get("groups_from"))),
        "loss": _loss(recipe),
        "optimiser": f"AdamW, learning rate {recipe['learning_rate']}, weight decay {recipe['weight_decay']}"
        + (f", dropout {recipe['dropout']}" if recipe["dropout"] else ""),
        "batch": _batch(recipe),
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"## Training\n\n| | |\n|---|---|\n{table}\n"


def _instructions(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Return the rows about tasks with definitions and about samples, if the recipe has them."""
    plan = recipe.get("natural_instructions")
    rows: dict[str, str] = {}
    if plan:
        rows["tasks with a definition"] = (
            f"`{plan['file']}`, {plan['kept_out']} whole tasks held out for development; "
            f"without {', '.join(plan['left_out']) or 'none'}"
        )
    if recipe.get("samples"):
        rows["samples"] = f"`{recipe['samples']['file']}`, labelled by Rouge-L"
    return rows


def _batch(recipe: Mapping[str, Any]) -> str:
    pairs = recipe.get("batch_pairs")
    return f"{pairs} pairs" if pairs else f"{recipe['batch_tokens']} tokens"


def _device(facts: Mapping[str, Any]) -> str:
    """Name the device of a run; facts of older runs lack it, and those ran on a CPU."""
    one = str(facts.get("device") or f"{facts['threads']} CPU threads")
    count = facts.get("processes", 1)
    return one if count == 1 else f"{count} × {one} ({facts['parallel'].upper()})"


def _layout(recipe: Mapping[str, Any]) -> str:
    return JOINT if recipe.get("layout") == "joint" else SHARED.format(joint=_joint(recipe))


def _joint(recipe: Mapping[str, Any]) -> str:
    share = recipe.get("joint", 0.0)
    return f"in which {100 * share:.0f}% of the rows' groups were trained" if share else "for which it was not trained"


def _negatives(recipe: Mapping[str, Any], ready_made: bool) -> dict[str, str]:
    """Return the rows about distractors, hard and response-only negatives; ready-made groups have no hard ones."""
    rows: dict[str, str] = {}
    if recipe.get("suggested") and not ready_made:
        rows["suggested wrong answers"] = f"in up to {100 * recipe['suggested']:.0f}% of the rows' groups"
    if recipe.get("hard") and not ready_made:
        rows["hard wrong answers"] = f"{recipe['hard']} of the {recipe['wrong']} drawn from other rows"
    if recipe.get("response_only_negatives"):
        rows["response-only negatives"] = (
            f"answers of another row in up to {100 * recipe['response_only_negatives']:.0f}% of groups"
        )
    return rows


def _loss(recipe: Mapping[str, Any]) -> str:
    names = {"listwise": "listwise cross-entropy", "pairwise": "pairwise logistic loss"}
    more = [f"{recipe[key]} × {name}" for key, name in names.items() if recipe.get(key)]
    if recipe.get("graded_listwise") is not None:
        more.append(
            f"{recipe['graded_listwise']} × listwise cross-entropy to graded labels (only groups with such labels)"
        )
    temperature = f", temperature {recipe['temperature']}" if more else ""
    return " + ".join(["squared error", *more]) + temperature


def _similarity(plan: Mapping[str, Any] | None, count: int) -> str:
    if not plan:
        return "none"
    return (
        f"{count} of {plan['candidates']} phrases, labelled by the encoder's own cosine (temperature "
        f"{plan['temperature']}), {100 * plan['listed']:.0f}% with their options listed"
    )


def _made(task: str, facts: Mapping[str, Any]) -> str:
    return f"{facts['groups_by_task'].get(task, 0)} groups made from the texts of other groups"


def _development(figures: Mapping[str, Any]) -> str:
    by_task = "\n".join(f"| {task} | {_percent(value)} |" for task, value in figures["by_task"].items())
    return (
        f"## Development split\n\nAccuracy {_percent(figures['accuracy'])}% on {figures['groups']} held-out groups of "
        f"the training mixture, {_percent(figures['mean_over_tasks'])}% on average over tasks; mean squared error "
        f"{figures['squared_error']:.4f}.\n\n| task | accuracy |\n|---|---|\n{by_task}\n"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
