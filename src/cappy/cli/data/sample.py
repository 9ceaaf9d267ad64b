"""`cappy data sample`: add a language model's responses as candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.cli.options import BaseUrl, Chat, Llm, LlmKey, Threads


def sample(
    store: Annotated[Path, typer.Argument(help="Folder written by `cappy data build`.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the new store; an interrupted run resumes.")
    ],
    llm: Llm,
    base_url: BaseUrl = None,
    api_key: LlmKey = None,
    chat: Chat = None,
    plan: Annotated[
        str, typer.Option(help="paper (17 responses), or decodings such as greedy,beam4,topk40*4.")
    ] = "paper",
    labeller: Annotated[
        str, typer.Option(help="How samples are labelled: rouge-l, exact, token-f1 or chrf.")
    ] = "rouge-l",
    max_tokens: Annotated[int, typer.Option(min=1, help="Maximum new tokens of a response.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Prompts sampled at the same time (transformers, servers).")] = 8,
    device: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Device of a transformers model; a GPU by default if there is one."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.")] = 0,
    threads: Threads = 0,
) -> None:
    """Add a language model's responses to groups without choices, labelled against their references.

    An interrupted run resumes by shard. To add a second model's samples, run it on the resulting store.

    Example: cappy data sample store -o sampled --llm smollm2 --plan sampling*3
    """
    from cappy.data.sampling import sample_store
    from cappy.data.store import read_manifest
    from cappy.files.progress import progress_bar
    from cappy.llm.decoding import parse_plan
    from cappy.llm.find import find_llm
    from cappy.metrics.references import find_labeller

    decodings, label = parse_plan(plan, max_tokens), find_labeller(labeller)
    generator = find_llm(
        llm,
        base_url=base_url,
        api_key=api_key,
        chat=chat,
        concurrency=batch,
        context=4096,
        threads=threads,
        servers=0,
        device=device,
    )
    facts = {"llm": generator.name, "labeller": labeller}
    with progress_bar("groups", read_manifest(store).get("groups")) as advance:
        manifest = sample_store(store, output, generator, decodings, label, facts, seed, advance=advance)
    counts = ", ".join(f"{count} {origin}" for origin, count in manifest["candidates"].items())
    typer.echo(f"{manifest['groups']} groups in {output}: {counts}")
    failed = manifest["problems"].get("not sampled", 0)
    if failed:
        address, reason = manifest["problem_samples"]["not sampled"][0]
        typer.echo(f"{failed} groups have fewer samples, the first ({address}): {reason}", err=True)
