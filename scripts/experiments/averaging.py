r"""Average the weights of two checkpoints (Wortsman et al., 2022, arXiv 2203.05482) and measure on development groups.

python scripts/experiments/averaging.py cappy-mini runs/mini/checkpoint --data DATA --shares 0 0.25 0.5 0.75 1 --seed 0
python scripts/experiments/averaging.py cappy-mini runs/mini/checkpoint --shares 0.75 --keep runs/averaged

A share is the second checkpoint's. Measured are the development groups of the recipe and held-out groups made from
their texts. Settings, tokenizer and figures of what is kept are the second's run's.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from pathlib import Path

import torch
from torch import Tensor

from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.checkpoint.find import MINILM, find_checkpoint
from cappy.checkpoint.save import save_checkpoint
from cappy.checkpoint.tokenizer import load_tokenizer
from cappy.layout import Conventions
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder
from cappy.training.made import made_groups
from cappy.training.measure import development_figures
from cappy.training.mixture import build_mixture
from cappy.training.prepare import Texts, encode_texts
from cappy.training.recipes import MINI


def averaged(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return (1 - share) of the first's weights plus `share` of the second's."""
    return {name: torch.lerp(first[name].float(), tensor.float(), share) for name, tensor in second.items()}


def held_out(data: Path, seed: int) -> Texts:
    """Return the recipe's development groups, and those made from their texts; nothing to train on."""
    _, development = build_mixture(MINI, data, seed)
    return Texts([], development, [], list(made_groups(development, MINI, MINILM, seed, MINI.held_out)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--data", type=Path, help="folder of the recipe's data")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.25, 0.5, 0.75, 1.0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="run folder for the average with the one share")
    chosen = parser.parse_args()
    folders = [find_checkpoint(name) for name in (chosen.first, chosen.second)]
    (_, _, first), (_, spec, second) = (starting_weights(folder, 0) for folder in folders)
    tokenizer = load_tokenizer(folders[1], spec.family)
    conventions = Conventions.of(spec, "shared", tokenizer.cls_id, tokenizer.sep_id)
    if chosen.keep:
        if len(chosen.shares) != 1:
            parser.error("--keep takes one share")
        source = read_checkpoint(folders[1])
        weights = {name: tensor.numpy() for name, tensor in averaged(first, second, chosen.shares[0]).items()}
        card = (folders[1] / "README.md").read_text()
        save_checkpoint(chosen.keep / "checkpoint", source.config, weights, source.folder, card)
        if (facts := folders[1].parent / "run.json").exists():
            shutil.copy(facts, chosen.keep / "run.json")
    if not chosen.data:
        return
    encoded = encode_texts(
        held_out(chosen.data, chosen.seed), MINI, tokenizer, conventions, spec.max_tokens, chosen.seed
    )
    parts = {"mixture": encoded.development, **encoded.unseen}
    print(f"command: {shlex.join(['python', *sys.argv])}\n")
    print("| share | accuracy | mean over tasks | squared error | " + " | ".join(encoded.unseen) + " |")
    print("|" + "---|" * (4 + len(encoded.unseen)))
    for share in chosen.shares:
        model = Encoder(spec, {name: t.bfloat16() for name, t in averaged(first, second, share).items()})
        found = {name: development_figures(model, groups, conventions) for name, groups in parts.items()}
        cells = [f"{100 * found['mixture'][key]:.1f}%" for key in ("accuracy", "mean_over_tasks")]
        cells.append(f"{found['mixture']['squared_error']:.3f}")
        cells += [f"{100 * found[name]['accuracy']:.1f}%" for name in encoded.unseen]
        print(f"| {share:g} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
