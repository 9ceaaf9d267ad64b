"""Training data of a run: token files, made once by the first process and mapped by all."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cappy
from cappy.checkpoint.find import find_encoder
from cappy.data.store import MANIFEST, read_manifest
from cappy.files.atomic import sha256
from cappy.files.progress import progress_bar
from cappy.group import Group
from cappy.layout.encode import Conventions
from cappy.layout.tokenizer import TextTokenizer
from cappy.training import tokens
from cappy.training.encoding import Encoded, encode_texts
from cappy.training.lots import Lot
from cappy.training.processes import Processes
from cappy.training.recipes import Recipe
from cappy.training.texts import placed_groups, streams

log = logging.getLogger("cappy.training")

TOKENS = "tokens"
"""The folder of token files in that of a run."""
OF_STEPS = (
    *("name", "learning_rate", "further_learning_rate", "weight_decay", "dropout", "warmup", "final_lr_ratio"),
    *("batch_tokens", "listwise", "graded_listwise", "pairwise", "temperature"),
)
"""Settings of a recipe that do not change token files."""
LOGGED = 200_000
"""Groups between lines of the log, which is all that a batch job shows."""


@dataclass(frozen=True, slots=True)
class Given:
    """Where a run's groups come from; see `RunOptions`."""

    data: Path | None = None
    groups: Path | None = None
    against: Path | None = None


def prepare(
    given: Given,
    recipe: Recipe,
    tokenizer: TextTokenizer,
    conventions: Conventions,
    longest: int,
    seed: int,
    output: Path,
    processes: Processes | None = None,
    check: Callable[[str], object] = bool,
) -> Encoded:
    """Return the encoded groups of a run, from the token files in `output` if they were made from the same.

    Otherwise the first process makes them while the others wait. `longest`: the encoder's maximum number of tokens.
    `check` gets the digest of new files before they replace older ones, and raises if they may not.

    Raises:
        InputError: data is missing or unreadable, or the training or the hold-out set is empty.

    """
    among, folder = processes or Processes(), output / TOKENS
    # All follow the first process: another may see other times of change.
    origin = among.gathered(_origin(given, recipe, tokenizer, conventions, longest, seed))[0]

    def done() -> bool:
        return bool(tokens.read_manifest(folder).get("origin") == origin)

    if not done() and among.first:
        _tidy(folder)
        placed = placed_groups(
            recipe, recipe.encoder, seed, data=given.data, groups=given.groups, against=given.against
        )
        total = read_manifest(given.groups).get("groups") if given.groups and streams(recipe) else None
        with progress_bar("groups", total) as advance:
            shown = _until_stopped(placed, among, advance)
            encode_texts(shown, recipe, tokenizer, conventions, longest, seed, folder, origin, check)
        log.info("wrote token files to %s", folder)
    among.wait_for(done)
    return Encoded.read(folder)


def _origin(
    given: Given, recipe: Recipe, tokenizer: TextTokenizer, conventions: Conventions, longest: int, seed: int
) -> dict[str, Any]:
    """Return what decides the content of token files, as JSON reads it back; files by size and time of change."""
    parts = (recipe.rendered, "train", "promptsource_templates")
    facts = {
        "cappy": cappy.__version__,
        "data": _stamps(given.data / name for name in parts) if given.data and not given.groups else None,
        "groups": _stamps([given.groups]) if given.groups else None,
        "against": _stamps(one for one in given.against.glob("*") if one.is_file()) if given.against else None,
        "recipe": {name: value for name, value in asdict(recipe).items() if name not in OF_STEPS},
        "labelled_by": weights_hash(find_encoder(recipe.encoder)) if recipe.similarity else None,
        "tokenizer": tokenizer.fingerprint,
        "conventions": asdict(conventions),
        "longest": longest,
        "seed": seed,
    }
    found: dict[str, Any] = json.loads(json.dumps(facts))
    return found


def weights_hash(folder: Path) -> str:
    """Return the SHA-256 of an encoder's weights file."""
    return sha256(next(path for path in sorted(folder.glob("*.safetensors"))))


def _stamps(paths: Iterable[Path]) -> dict[str, Any]:
    """Identify data: a store by the hash of its manifest, other files and folders by sizes and times of change."""
    found: dict[str, Any] = {}
    for path in paths:
        if (path / MANIFEST).is_file():
            found["store"] = sha256(path / MANIFEST)
            continue
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found[str(file.relative_to(path.parent))] = [file.stat().st_size, file.stat().st_mtime_ns]
    return found


def _tidy(folder: Path) -> None:
    """Remove what killed processes left half-written. Finished files stay until new ones replace them."""
    if folder.exists():
        log.info("the files in %s were made otherwise, or are damaged; they are made again", folder)
    for old in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(old, ignore_errors=True)


def _until_stopped(
    placed: Iterable[tuple[Lot, Group]], processes: Processes, advance: Callable[[int], None]
) -> Iterator[tuple[Lot, Group]]:
    for number, one in enumerate(placed, 1):
        if processes.stopping:
            raise KeyboardInterrupt
        advance(1)
        if number % LOGGED == 0:
            log.info("%d groups encoded", number)
        yield one
