"""`cappy serve`: the scorer over HTTP."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.cli.options import Layout, Precision, Runtime, Threads, load_scorer
from cappy.errors import InputError, MissingExtraError


def serve(
    model: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--model", "-m", help="NAME=CHECKPOINT or CHECKPOINT; may be given again. cappy-mini if none."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8100,
    api_key: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(envvar="CAPPY_API_KEY", help="Key that clients must send; may be given again."),
    ] = None,
    cors_origin: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Web page that may ask from a browser; may be given again."),
    ] = None,
    queue_tokens: Annotated[int, typer.Option(min=1, help="Tokens that may wait; more get 429.")] = 2**19,
    request_tokens: Annotated[int, typer.Option(min=1, help="Tokens of one request; more get 413.")] = 2**18,
    candidates: Annotated[int, typer.Option(min=1, help="Candidates of one request; more get 413.")] = 4096,
    body_bytes: Annotated[int, typer.Option(min=1, help="Bytes of one request; more get 413.")] = 8 * 2**20,
    drain_seconds: Annotated[float, typer.Option(min=0, help="Time to finish admitted work after SIGTERM.")] = 30.0,
    body_seconds: Annotated[float, typer.Option(min=0.1, help="Time to send a request; slower ones get 408.")] = 30.0,
    keep_alive_seconds: Annotated[int, typer.Option(min=1, help="Time an idle connection is kept.")] = 75,
    connections: Annotated[int, typer.Option(min=1, help="Open connections; those of more clients get 503.")] = 512,
    runtime: Runtime = "onnx",
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Serve the scorer over HTTP, as vLLM, Cohere, Jina and text-embeddings-inference do.

    Example: cappy serve --port 8100
    """
    try:
        from cappy.server.scorers import Scorers
        from cappy.server.serving import serve as run
        from cappy.server.settings import Settings
    except MissingExtraError:
        raise
    except ImportError as error:
        raise MissingExtraError("serving", "serve") from error
    loaders = {}
    for one in model or ["cappy-mini"]:
        name, _, checkpoint = one.rpartition("=")
        name = name or Path(checkpoint).name
        if name in loaders:
            raise InputError(f"two scorers are named {name!r}; name them as NAME=CHECKPOINT.")
        loaders[name] = partial(load_scorer, checkpoint, runtime, layout, precision, threads)
    settings = Settings(
        body_bytes=body_bytes,
        candidates=candidates,
        request_tokens=request_tokens,
        queue_tokens=queue_tokens,
        drain_seconds=drain_seconds,
        body_seconds=body_seconds,
        keep_alive_seconds=keep_alive_seconds,
        connections=connections,
        api_keys=tuple(key for key in api_key or () if key),
        cors_origins=tuple(cors_origin or ()),
    )
    run(Scorers(loaders), settings, host, port)
