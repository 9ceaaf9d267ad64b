"""`cappy export`: write a scorer as a folder that other libraries can load."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Dtype(str, Enum):
    """How weights are written."""

    fp16 = "fp16"
    fp32 = "fp32"
    q8 = "q8"


_NUMPY = {Dtype.fp16: "float16", Dtype.fp32: "float32", Dtype.q8: "q8"}


def export(
    name: Annotated[str, typer.Argument(help="Scorer: base, mini, a folder or a hub name.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write; must not exist.")],
    dtype: Annotated[
        Dtype,
        typer.Option(help="fp16 or fp32: an ordinary Hugging Face folder. q8: 8-bit groups, which only Cappy reads."),
    ] = Dtype.fp16,
) -> None:
    """Write a scorer as a Hugging Face folder, for transformers, sentence-transformers' CrossEncoder and others."""
    from cappy.checkpoint.checkpoint import read_checkpoint
    from cappy.checkpoint.embedding import write_projection
    from cappy.checkpoint.find import find_checkpoint
    from cappy.checkpoint.save import save_checkpoint, write_manifest
    from cappy.errors import InputError

    if output.exists():
        raise InputError(f"{output} exists; name a new folder.")
    checkpoint = read_checkpoint(find_checkpoint(name))
    card = checkpoint.folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.exists() else ""
    save_checkpoint(output, checkpoint.config, checkpoint.read_weights(), checkpoint.folder, text, _NUMPY[dtype])
    if checkpoint.projection:
        write_projection(output, checkpoint.projection)
        write_manifest(output)
    typer.echo(f"{checkpoint.folder.name} written to {output} ({dtype.value})")
