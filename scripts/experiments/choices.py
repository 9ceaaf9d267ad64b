r"""What each choice of the recipe gives: short runs that differ in one thing, measured on held-out groups.

python scripts/experiments/choices.py --data DATA --against EVAL --steps 300 --seed 0 -o runs/choices
python scripts/experiments/choices.py --report -o runs/choices   # the table again, from what was kept

Every run starts from the same encoder, sees the same seed, and has the learning rate's whole schedule. A finished run
is kept as a JSON file and not done again. Figures are of the development split of the training mixture and of groups
made from its texts; evaluation tasks are never looked at.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from cappy.checkpoint.find import MINILM, find_encoder
from cappy.checkpoint.tokenizer import load_tokenizer
from cappy.files import write_json
from cappy.layout import Conventions
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder
from cappy.training.measure import development_figures
from cappy.training.memory import keep_freed_memory
from cappy.training.prepare import Texts, encode_texts, read_texts
from cappy.training.recipes import MINI, Recipe
from cappy.training.trainer import Budget, Trainer

log = logging.getLogger("choices")
FIGURES = 2000
"""Development groups that are measured, the first in the order of the seed."""


def recipe(**changes: Any) -> Recipe:
    return dataclasses.replace(MINI, **changes)


VARIANTS: dict[str, Recipe] = {
    "the recipe": MINI,
    "squared error alone": recipe(listwise=0.0),
    "pairwise instead of listwise": recipe(listwise=0.0, pairwise=0.3),
    "listwise and pairwise": recipe(pairwise=0.3),
    "listwise weighs 1": recipe(listwise=1.0),
    "learning rate 7.5e-5": recipe(learning_rate=7.5e-5),
    "learning rate 3e-4": recipe(learning_rate=3e-4),
    "3 of 5 lent answers hard": recipe(hard=3),
    "response-only negatives, half of the groups": recipe(foreign=0.5),
    "a quarter of joint groups": recipe(joint=0.25),
    "instructions of 96 tokens": recipe(instruction_tokens=96),
    "instructions of 320 tokens": recipe(instruction_tokens=320),
    "at most 800 groups a task": recipe(
        choice_cap=800, sources=tuple(dataclasses.replace(one, rows=800, renderings=1) for one in MINI.sources)
    ),
    "4 candidates a group": recipe(candidates=4, short_words=0),
    "no similarity groups": recipe(similarity=None),
    "no statement groups": recipe(statements=None),
    "no continuation groups": recipe(continuations=None),
}
DATA_FIELDS = ("sources", "choice_cap", "other_cap", "wrong", "hard")
"""Fields that change which groups are read."""


def texts_for(variant: Recipe, base: Texts, read: Callable[[Recipe], Texts]) -> Texts:
    """Return a variant's groups; those made from texts, and all that is measured, are the base's."""
    wanted = {
        "similarity": variant.similarity,
        "statements": variant.statements,
        "continuations": variant.continuations,
    }
    made = [one for one in base.made if wanted[one.task]]
    training = base.training
    if any(getattr(variant, name) != getattr(MINI, name) for name in DATA_FIELDS):
        training = read(dataclasses.replace(variant, similarity=None, statements=None, continuations=None)).training
    return Texts(training, base.development[:FIGURES], made, base.unseen)


def run(name: str, variant: Recipe, texts: Texts, chosen: argparse.Namespace, state: Path) -> dict[str, Any]:
    """Train one variant, its state kept in the folder `state`, and measure it."""
    folder = find_encoder(chosen.start)
    _, spec, weights = starting_weights(folder, chosen.seed)
    tokenizer = load_tokenizer(folder, spec.family)
    conventions = Conventions.of(spec, "shared", tokenizer.cls_id, tokenizer.sep_id)
    encoded = encode_texts(texts, variant, tokenizer, conventions, spec.max_tokens, chosen.seed)
    trainer = Trainer(spec, weights, variant, conventions, state, chosen.seed, name)
    trainer.run(encoded.training, Budget(steps=chosen.steps), save_every=1e9)

    def figures(model: Encoder) -> dict[str, Any]:
        measured = {"mixture": development_figures(model, encoded.development, conventions)}
        for task, groups in encoded.unseen.items():
            measured[task] = development_figures(model, groups, conventions)
        return measured

    progress = dataclasses.asdict(trainer.progress)
    return {"name": name, "progress": progress, "figures": figures(trainer.model), "torch": torch.__version__}


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def table(results: list[Mapping[str, Any]]) -> str:
    """Lay results out as Markdown: accuracy of the mixture, of its tasks' mean and of what was made."""
    heading = ["what was tried", "tokens", "accuracy", "mean over tasks", "squared error"]
    heading += ["similarity", "statements", "continuations", "mean of the four"]
    lines = [heading, ["---"] * len(heading)]
    for result in results:
        figures = result["figures"]
        made = [figures[task]["accuracy"] for task in ("similarity", "statements", "continuations")]
        mixture = figures["mixture"]
        mean = (mixture["mean_over_tasks"] + sum(made)) / 4
        shares = [mixture["accuracy"], mixture["mean_over_tasks"]]
        cells = [result["name"], f"{result['progress']['tokens'] / 1e6:.2f}M", *(f"{100 * one:.1f}%" for one in shares)]
        cells += [f"{mixture['squared_error']:.3f}", *(f"{100 * one:.1f}%" for one in (*made, mean))]
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/choices"), help="folder; resumed")
    parser.add_argument("--data", type=Path, help="folder of the recipe's data")
    parser.add_argument("--against", type=Path, help="folder of evaluation files, whose texts are left out")
    parser.add_argument("--start", default=MINILM, help="encoder or scorer whose weights every run starts from")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), help="these variants alone")
    parser.add_argument("--report", action="store_true", help="print the table of what is there, run nothing")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    keep_freed_memory()
    names = chosen.only or list(VARIANTS)
    settings = f"{chosen.steps}-{chosen.seed}-{slug(chosen.start)}"
    kept = {name: chosen.output / f"{slug(name)}-{settings}.json" for name in names}
    missing = [] if chosen.report else [name for name in names if not kept[name].exists()]
    if missing and not chosen.data:
        parser.error("--data is needed")

    def read(variant: Recipe) -> Texts:
        return read_texts(variant, MINILM, chosen.seed, data=chosen.data, groups=None, against=chosen.against)

    base = read(MINI) if missing else None
    for name in missing:
        assert base is not None
        log.info("%s", name)
        result = run(name, VARIANTS[name], texts_for(VARIANTS[name], base, read), chosen, kept[name].with_suffix(""))
        chosen.output.mkdir(parents=True, exist_ok=True)
        write_json(kept[name], {"steps": chosen.steps, "seed": chosen.seed, "start": chosen.start, **result})
    done = [json.loads(path.read_text()) for path in kept.values() if path.exists()]
    print(f"{chosen.steps} steps, seed {chosen.seed}: {shlex.join(['python', *sys.argv])}\n\n{table(done)}")


if __name__ == "__main__":
    main()
