r"""Average the weights of two checkpoints (Wortsman et al., 2022, arXiv 2203.05482) and measure on development groups.

python scripts/averaging.py cappy-mini runs/mini/checkpoint --data DATA --shares 0 0.25 0.5 0.75 1 --seed 0
python scripts/averaging.py cappy-mini runs/mini/checkpoint --shares 0.75 --keep runs/averaged

A share is the weight of the second checkpoint. The averages are measured on the recipe's development groups and on
held-out groups made from their texts; `--without` excludes tasks, such as those whose held-out rows a checkpoint has
seen. A kept average takes settings and tokenizer from the second checkpoint; its card says that it is an average, and
has no development figures.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.checkpoint.find import MINILM, find_checkpoint
from cappy.checkpoint.save import save_checkpoint
from cappy.files.atomic import write_json
from cappy.layout.encode import Conventions
from cappy.layout.tokenizer import load_tokenizer
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder
from cappy.training.card import model_card
from cappy.training.encoding import encode_texts
from cappy.training.mixture import build_mixture
from cappy.training.recipes import MINI
from cappy.training.texts import Texts, held_out_texts
from cappy.training.validation import development_figures


def averaged(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return (1 - share) of the first's weights plus `share` of the second's."""
    return {name: torch.lerp(first[name].float(), tensor.float(), share) for name, tensor in second.items()}


def held_out(data: Path, seed: int, without: Collection[str]) -> Texts:
    """Return the recipe's development groups and those made from their texts, without training groups."""
    training, development = build_mixture(MINI, data, seed)
    return held_out_texts(training, [one for one in development if one.task not in without], MINI, MINILM, seed)


def keep(target: Path, first: str, second: Path, weights: Mapping[str, Tensor], share: float) -> None:
    """Write an average as a run folder's checkpoint, with its card and the facts of the second checkpoint's run."""
    source = read_checkpoint(second)
    facts = json.loads((second.parent / "run.json").read_text())
    for key in ("development", "made"):
        facts.pop(key, None)
    named = Path(first).resolve()
    name = (named.parent if named.name == "checkpoint" else named).name
    facts["averaged"] = {"share": share, "other": 1 - share, "first": name}
    settings = {key: value for key, value in source.settings.items() if key != "temperature"}  # fitted to other scores
    config = {**source.config, "cappy": settings}
    arrays = {name: tensor.numpy() for name, tensor in weights.items()}
    save_checkpoint(target / "checkpoint", config, arrays, source.folder, model_card(target.name, facts))
    write_json(target / "run.json", facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--data", type=Path, help="folder of the recipe's data")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.25, 0.5, 0.75, 1.0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without", nargs="+", default=[], metavar="TASK", help="tasks to exclude")
    parser.add_argument("--keep", type=Path, help="run folder for the average; needs exactly one share")
    chosen = parser.parse_args()
    folders = [find_checkpoint(name) for name in (chosen.first, chosen.second)]
    (_, _, first), (_, spec, second) = (starting_weights(folder, 0) for folder in folders)
    tokenizer = load_tokenizer(folders[1], spec)
    conventions = Conventions.of(spec, "shared", tokenizer.cls_id, tokenizer.sep_id)
    if chosen.keep:
        if len(chosen.shares) != 1:
            parser.error("--keep takes one share")
        if not (folders[1].parent / "run.json").is_file():
            parser.error(f"--keep needs the second's run.json next to {folders[1]}")
        keep(chosen.keep, chosen.first, folders[1], averaged(first, second, chosen.shares[0]), chosen.shares[0])
    if not chosen.data:
        return
    placed = held_out(chosen.data, chosen.seed, chosen.without).placed()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "tokens"
        encoded = encode_texts(placed, MINI, tokenizer, conventions, spec.max_tokens, chosen.seed, folder)
        parts = {"mixture": encoded.development, **encoded.made_development}
        print(f"command: {shlex.join(['python', *sys.argv])}\n")
        print("| share | accuracy | mean over tasks | squared error | " + " | ".join(encoded.made_development) + " |")
        print("|" + "---|" * (4 + len(encoded.made_development)))
        for share in chosen.shares:
            model = Encoder(spec, {name: t.bfloat16() for name, t in averaged(first, second, share).items()})
            found = {name: development_figures(model, groups, conventions) for name, groups in parts.items()}
            cells = [f"{100 * found['mixture'][key]:.1f}%" for key in ("accuracy", "mean_over_tasks")]
            cells.append(f"{found['mixture']['squared_error']:.3f}")
            cells += [f"{100 * found[name]['accuracy']:.1f}%" for name in encoded.made_development]
            print(f"| {share:g} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
