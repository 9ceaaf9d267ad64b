r"""What each choice of the recipe gives: short runs that differ in one thing, measured on held-out groups and tasks.

python scripts/experiments/choices.py --data DATA --against EVAL --steps 400 --seed 0 -o runs/choices
python scripts/experiments/choices.py --report -o runs/choices   # the table again, from what was kept

Every run starts from the same encoder, sees the same seed, and has the learning rate's whole schedule. A finished run
is kept as a JSON file and not done again; a folder of another recipe or data is refused. Five tasks of the training
mixture are left out of every run and asked zero-shot at its end (`UNSEEN`; the templates of rotten_tomatoes are seen
with other reviews, those of SetFit__CR). The others' development groups, groups made from their texts, and some of them
in the joint layout are measured too, all with the base's limits. Evaluation tasks are never looked at.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import random
import shlex
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch

from cappy.checkpoint.find import MINILM, find_encoder
from cappy.data.rendered import T0_TASKS
from cappy.data.sampling import is_open
from cappy.data.store import read_groups
from cappy.errors import InputError
from cappy.files.atomic import sha256, write_json
from cappy.group import Group
from cappy.layout.encode import Conventions
from cappy.layout.tokenizer import load_tokenizer
from cappy.runtime.encoder_weights import starting_weights
from cappy.training.batches import TrainingGroup, encode_groups
from cappy.training.derived import pair_limits
from cappy.training.memory import keep_freed_memory
from cappy.training.mixture import build_mixture
from cappy.training.prepare import ALL, Texts, encode_texts, read_texts
from cappy.training.recipes import MINI, Recipe, Similarity, Statements
from cappy.training.trainer import Budget, Trainer
from cappy.training.validation import development_figures

log = logging.getLogger("choices")
UNSEEN = ("ag_news", "openbookqa__main", "rotten_tomatoes", "super_glue__boolq", "trec")
"""Tasks that no run is trained on: topics, knowledge, sentiment, reading, and many classes."""
MEASURED = {"mixture": 1000, "joint": 250, "made": 500, "unseen": 200}
"""How many groups are measured: of the mixture, of it in the joint layout, of each kind of made ones, of each task."""
BASE = dataclasses.replace(
    MINI,
    left_out=(*MINI.left_out, *(task for task in UNSEEN if task in T0_TASKS)),
    sources=tuple(source for source in MINI.sources if source.file not in UNSEEN),
)
TASK_CAP = 800
BALANCED = f"at most {TASK_CAP} groups a task"
SAMPLED = "open tasks: a few groups with LLM samples labelled by Rouge-L"
UNSAMPLED = "open tasks: the same few groups without samples"
"""Variants of the base's recipe that are trained on other groups; the last two are to be compared with each other."""


def recipe(**changes: Any) -> Recipe:
    return dataclasses.replace(BASE, **changes)


VARIANTS: dict[str, Recipe] = {
    "the recipe": BASE,
    "squared error alone": recipe(listwise=0.0),
    "pairwise instead of listwise": recipe(listwise=0.0, pairwise=0.3),
    "listwise weighs 1": recipe(listwise=1.0),
    "3 of 5 lent answers hard": recipe(hard=3),
    "response-only negatives, half of the groups": recipe(response_only_negatives=0.5),
    "a quarter of joint groups": recipe(joint=0.25),
    BALANCED: BASE,
    SAMPLED: BASE,
    UNSAMPLED: BASE,
    "learning rate 3e-4": recipe(learning_rate=3e-4),
    "learning rate 7.5e-5": recipe(learning_rate=7.5e-5),
    "learning rate held after the warm-up": recipe(final_lr_ratio=1.0),
    "steps of 3,000 tokens": recipe(batch_tokens=3000),
    "instructions of 96 tokens": recipe(instruction_tokens=96),
    "instructions of 320 tokens": recipe(instruction_tokens=320),
    "4 candidates a group": recipe(candidates=4, short_words=0),
    "no similarity groups": recipe(similarity=None),
    "twice as many similarity groups": recipe(similarity=Similarity(groups=48_000)),
    "no statement groups": recipe(statements=None),
    "no sentences under verbs that affirm or deny them": recipe(statements=Statements(embedded=0.0)),
    "no continuation groups": recipe(continuations=None),
}
DATA_FIELDS = ("rendered", "left_out", "sources", "choice_cap", "other_cap", "wrong", "hard", "held_out")
"""Fields that change which groups are read."""
MADE_FIELDS = ("similarity", "statements", "continuations")


def texts_for(name: str, base: Texts, samples: Path | None, read: Callable[[Recipe], Texts]) -> Texts:
    """Return what a variant is trained on: the base's groups where its recipe asks for no others."""
    variant = VARIANTS[name]
    if name == BALANCED:
        return dataclasses.replace(base, training=balanced(base.training))
    if name in (SAMPLED, UNSAMPLED):
        if samples is None:
            raise InputError(f"{name!r} needs --samples.")
        few = list(read_groups(samples))
        few = few if name == SAMPLED else [without_samples(one) for one in few]
        return dataclasses.replace(base, training=with_few_open(base.training, few))
    changed = {field for field in (*DATA_FIELDS, *MADE_FIELDS) if getattr(variant, field) != getattr(BASE, field)}
    if any(getattr(variant, field) is not None for field in changed):
        return read(variant)
    left = {field for field in MADE_FIELDS if getattr(variant, field) is not None}
    return dataclasses.replace(base, made=[one for one in base.made if one.task in left])


def balanced(groups: Sequence[Group]) -> list[Group]:
    """Keep at most `TASK_CAP` groups of every task, drawn with seed 0."""
    draw = random.Random(0)
    return [one for members in by_task(groups).values() for one in draw.sample(members, min(TASK_CAP, len(members)))]


def with_few_open(groups: Sequence[Group], few: Sequence[Group]) -> list[Group]:
    """Put a few groups, over and over, in the place of all groups of open tasks: as many as there were."""
    if not few:
        raise InputError("there are no groups to put in the place of those of open tasks.")
    closed = [one for one in groups if not is_open(one)]
    return closed + list(islice(cycle(few), len(groups) - len(closed)))


def without_samples(group: Group) -> Group:
    """Take a language model's samples out of a group."""
    kept = tuple(one for one in group.candidates if not one.sampled)
    return dataclasses.replace(group, candidates=kept)


def unseen_groups(data: Path, seed: int, most: int = MEASURED["unseen"]) -> list[Group]:
    """Return at most so many groups of every task that is left out of training."""
    rendered = tuple(task for task in T0_TASKS if task not in UNSEEN or task in MINI.left_out)
    sources = tuple(source for source in MINI.sources if source.file in UNSEEN)
    parts = build_mixture(dataclasses.replace(MINI, left_out=rendered, sources=sources), data, seed)
    found = by_task([*parts[0], *parts[1]])
    draw = random.Random(seed)
    return [one for task in UNSEEN for one in draw.sample(found[task], min(most, len(found[task])))]


def by_task(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """Return groups by their task."""
    found: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        found[group.task].append(group)
    return found


class Bench:
    """What all runs have in common: their start, their groups and what they are measured on."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        folder = find_encoder(chosen.start)
        self.start = sha256(folder / "model.safetensors")
        _, self.spec, self.weights = starting_weights(folder, chosen.seed)
        self.tokenizer = load_tokenizer(folder, self.spec)
        cls, sep = self.tokenizer.cls_id, self.tokenizer.sep_id
        self.conventions = Conventions.of(self.spec, "shared", cls, sep)
        self.base = self.read(BASE)
        measured = dataclasses.replace(
            self.base,
            training=[],
            made=[],
            development=self.base.development[: MEASURED["mixture"]],
            made_development=[
                dataclasses.replace(one, groups=one.groups[: MEASURED["made"]]) for one in self.base.made_development
            ],
        )
        encoded = encode_texts(measured, BASE, self.tokenizer, self.conventions, self.spec.max_tokens, chosen.seed)
        self.measured = {"mixture": encoded.development, **encoded.made_development}
        self.measured["unseen"] = self._encoded(unseen_groups(chosen.data, chosen.seed), self.conventions)
        joint = Conventions.of(self.spec, "joint", cls, sep)
        self.measured["joint"] = self._encoded(measured.development[: MEASURED["joint"]], joint)

    def read(self, variant: Recipe) -> Texts:
        """Read a recipe's groups."""
        chosen = self.chosen
        return read_texts(variant, MINILM, chosen.seed, data=chosen.data, groups=None, against=chosen.against)

    def _encoded(self, groups: Sequence[Group], conventions: Conventions) -> list[TrainingGroup]:
        limits = pair_limits(BASE.instruction_tokens, BASE.response_tokens)
        return encode_groups(groups, self.tokenizer, conventions, limits, ALL, self.chosen.seed)

    def run(self, name: str, state: Path) -> dict[str, Any]:
        """Train one variant, its state kept in the folder `state`, and measure it."""
        chosen, variant = self.chosen, VARIANTS[name]
        texts = texts_for(name, self.base, chosen.samples, self.read)
        encoded = encode_texts(texts, variant, self.tokenizer, self.conventions, self.spec.max_tokens, chosen.seed)
        tokens = sum(group.encoded.tokens for group in encoded.training)
        origin = f"{name} {self.start} {len(encoded.training)} groups {tokens} tokens"
        trainer = Trainer(self.spec, self.weights, variant, self.conventions, state, chosen.seed, origin)
        trainer.run(encoded.training, Budget(steps=chosen.steps), save_every=1e9)
        figures = {
            part: development_figures(trainer.model, groups, self.conventions) for part, groups in self.measured.items()
        }
        return {
            "name": name,
            "command": shlex.join(["python", *sys.argv]),
            "steps": chosen.steps,
            "seed": chosen.seed,
            "start": self.start,
            **identity(name, chosen),
            "groups": len(encoded.training),
            "progress": dataclasses.asdict(trainer.progress),
            "figures": figures,
            "torch": torch.__version__,
            "computed_in": str(trainer.dtype),
        }


def identity(name: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Return what a kept result must agree in with the run that is asked for, as JSON holds it."""
    folders = {key: str(getattr(chosen, key).resolve()) for key in ("data", "against") if getattr(chosen, key)}
    samples = {"samples": sha256(chosen.samples)} if name in (SAMPLED, UNSAMPLED) and chosen.samples else {}
    return {"recipe": json.loads(json.dumps(dataclasses.asdict(VARIANTS[name]))), **folders, **samples}


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Lay results out as Markdown: the mixture's accuracy, the unseen tasks', and those of made groups."""
    names = [name.removeprefix("super_glue__").split("__")[0] for name in UNSEEN]
    heading = ["what was tried", "tokens", "mixture", "mean over tasks", "squared error", "joint", "unseen", *names]
    heading += MADE_FIELDS
    lines = [heading, ["---"] * len(heading)]
    for result in results:
        figures = result["figures"]
        mixture, unseen = figures["mixture"], figures["unseen"]
        cells = [result["name"], f"{result['progress']['tokens'] / 1e6:.2f}M", percent(mixture["accuracy"])]
        cells += [percent(mixture["mean_over_tasks"]), f"{mixture['squared_error']:.3f}"]
        cells += [percent(figures["joint"]["accuracy"]), percent(unseen["mean_over_tasks"])]
        cells += [percent(unseen["by_task"][task]) for task in UNSEEN]
        cells += [percent(figures[task]["accuracy"]) for task in MADE_FIELDS]
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/choices"), help="folder; resumed")
    parser.add_argument("--data", type=Path, help="folder of the recipe's data")
    parser.add_argument("--against", type=Path, help="folder of evaluation files, whose texts are left out")
    parser.add_argument(
        "--samples", type=Path, help="groups with a language model's labelled samples, for that variant"
    )
    parser.add_argument("--start", default=MINILM, help="encoder or scorer whose weights every run starts from")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), help="these variants alone")
    parser.add_argument("--report", action="store_true", help="print the table of what is there, run nothing")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    keep_freed_memory()
    names = chosen.only or [name for name in VARIANTS if chosen.samples or name not in (SAMPLED, UNSAMPLED)]
    if chosen.report:
        names = chosen.only or list(VARIANTS)
    settings = f"{chosen.steps}-{chosen.seed}-{slug(chosen.start)}"
    kept = {name: chosen.output / f"{slug(name)}-{settings}.json" for name in names}
    missing = [] if chosen.report else [name for name in names if not kept[name].exists()]
    for name, path in kept.items():
        if path.exists() and not chosen.report:
            found, mine = json.loads(path.read_text()), identity(name, chosen)
            if {key: found.get(key) for key in mine} != mine:
                parser.error(f"{path} is of another recipe or data; give another folder with -o.")
    if missing and not chosen.data:
        parser.error("--data is needed")
    bench = Bench(chosen) if missing else None
    for name in missing:
        assert bench is not None
        log.info("%s", name)
        chosen.output.mkdir(parents=True, exist_ok=True)
        write_json(kept[name], bench.run(name, kept[name].with_suffix("")))
    done = [json.loads(path.read_text()) for path in kept.values() if path.exists()]
    print("\n".join(sorted({one["command"] for one in done})) + f"\n\n{table(done)}")


if __name__ == "__main__":
    main()
