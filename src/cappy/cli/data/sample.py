"""`cappy data sample`: add a language model's responses as candidates."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from cappy.cli.options import Chat, Llm, LlmKey, Ray, RayGpus, RayWorkers, Threads
from cappy.errors import InputError


def sample(
    store: Annotated[Path, typer.Argument(help="Folder written by `cappy data build`.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the new store; an interrupted run resumes.")
    ],
    llm: Llm,
    base_url: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="OpenAI-compatible server that has the model, such as http://localhost:8000/v1; with --ray it may be "
            "given again for each of several."
        ),
    ] = None,
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
    ray: Ray = None,
    ray_workers: RayWorkers = None,
    ray_gpus: RayGpus = 0.0,
) -> None:
    """Add a language model's responses to groups without choices, labelled against their references.

    With --ray servers sample and the nodes of a cluster label, at the same time; a model without a server is loaded by
    every sampling worker. A second model's samples are added by sampling into the store that the first one's gave.

    Example: cappy data sample store -o sampled --llm smollm2 --plan sampling*3
    """
    from cappy.data.sampling import sample_store
    from cappy.data.store import read_manifest
    from cappy.files.progress import progress_bar
    from cappy.llm.decoding import parse_plan
    from cappy.llm.find import find_llm
    from cappy.metrics.references import find_labeller

    decodings, label = parse_plan(plan, max_tokens), find_labeller(labeller)
    options: dict[str, Any] = {
        "api_key": api_key,
        "chat": chat,
        "concurrency": batch,
        "context": 4096,
        "servers": 0,
        "device": device,
    }
    urls: list[str | None] = [*base_url] if base_url else [None]
    makers = tuple(partial(find_llm, llm, base_url=url, threads=threads, **options) for url in urls)
    if len(makers) > 1 and not ray:
        raise InputError("several servers are asked on a Ray cluster; add --ray local to start one on this machine.")
    total = read_manifest(store).get("groups")
    if ray:
        from cappy.scale.cluster import joined
        from cappy.scale.sample_cluster import Samplers, sample_on_cluster

        own = (0.0, 0.0) if base_url else (threads or 1, ray_gpus)
        samplers = Samplers(makers, ray_workers, *own)
        facts = {"llm": makers[0]().name, "labeller": labeller}
        with joined(ray), progress_bar("groups", total) as advance:
            manifest = sample_on_cluster(store, output, samplers, decodings, labeller, facts, seed, advance=advance)
    else:
        generator = makers[0]()
        facts = {"llm": generator.name, "labeller": labeller}
        with progress_bar("groups", total) as advance:
            manifest = sample_store(store, output, generator, decodings, label, facts, seed, advance=advance)
    counts = ", ".join(f"{count} {origin}" for origin, count in manifest["candidates"].items())
    typer.echo(f"{manifest['groups']} groups in {output}: {counts}")
    failed = manifest["problems"].get("not sampled", 0)
    if failed:
        address, reason = manifest["problem_samples"]["not sampled"][0]
        typer.echo(f"{failed} groups have fewer samples, the first ({address}): {reason}", err=True)
