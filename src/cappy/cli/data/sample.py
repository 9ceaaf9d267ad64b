"""`cappy data sample`: a language model's responses as further candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def sample(
    store: Annotated[Path, typer.Argument(help="Folder that `cappy data build` made.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new store; the same one resumes it.")],
    llm: Annotated[str, typer.Option(help="Model for transformers: a folder or a hub name (google/flan-t5-base).")],
    plan: Annotated[str, typer.Option(help="paper (17 responses), or decodings: greedy,beam4,topk40*4.")] = "paper",
    labeller: Annotated[str, typer.Option(help="rouge-l, exact, token-f1 or chrf.")] = "rouge-l",
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest response, in new tokens.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Prompts generated for together.")] = 8,
    device: Annotated[Optional[str], typer.Option(help="Where the model runs; a GPU where there is one.")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(min=0, help="Decides the samples.")] = 0,
) -> None:
    """Add a language model's responses to groups without choices, labelled by their references. Resumes by shard."""
    from cappy.data.labels import find_labeller
    from cappy.data.sampling import sample_store
    from cappy.data.store import read_manifest
    from cappy.llm.decoding import parse_plan
    from cappy.llm.transformers_llm import TransformersLLM
    from cappy.progress import progress_bar

    decodings, label = parse_plan(plan, max_tokens), find_labeller(labeller)
    generator = TransformersLLM(llm, device, batch)
    facts = {"llm": llm, "labeller": labeller}
    with progress_bar("groups", read_manifest(store).get("groups")) as advance:
        manifest = sample_store(store, output, generator, decodings, label, facts, seed, advance=advance)
    counts = ", ".join(f"{count} {origin}" for origin, count in manifest["candidates"].items())
    typer.echo(f"{manifest['groups']} groups in {output}: {counts}")
