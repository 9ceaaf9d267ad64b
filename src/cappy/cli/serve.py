"""`cappy serve`: serve the scorer over HTTP."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from cappy.checkpoint.find import BUNDLED, bundled_name
from cappy.cli.options import Layout, Precision, Ray, Runtime, Threads, load_scorer
from cappy.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from cappy.server.proxy.upstream import Address


def serve(
    model: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--model", "-m", help="NAME=CHECKPOINT or CHECKPOINT; may be given again. Default: cappy-base."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is reachable from the network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 8100,
    api_key: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="Key that clients must send; may be given again. Default without --api-key-file: CAPPY_API_KEY."
        ),
    ] = None,
    api_key_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="File of API keys, one per line."),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Allow a server without keys to be reachable from other machines.")
    ] = False,
    cors_origin: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Web origin that browsers may call from; may be given again."),
    ] = None,
    allowed_host: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Additional host name for a server on loopback without a key; may be given again."),
    ] = None,
    llm: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Language model for best of n: an OpenAI-compatible URL ending in /v1, smollm2, or a GGUF file."
        ),
    ] = None,
    llm_key: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            envvar="CAPPY_LLM_KEY", help="The language model's key; default: forward the client's Authorization."
        ),
    ] = None,
    llm_model: Annotated[Optional[str], typer.Option(help="Model name for requests that name none.")] = None,  # noqa: UP045
    samples: Annotated[int, typer.Option("-n", min=1, help="Samples per answer.")] = 8,
    adaptive: Annotated[bool, typer.Option(help="Stop sampling once more samples would hardly help.")] = False,
    llm_seconds: Annotated[
        float, typer.Option(min=1, help="Timeout in seconds of a request to the language model.")
    ] = 300.0,
    llm_at_once: Annotated[int, typer.Option(min=1, help="Concurrent requests to the language model.")] = 32,
    llm_most: Annotated[int, typer.Option(min=1, help="Maximum samples per prompt; more get 422.")] = 64,
    queue_tokens: Annotated[int, typer.Option(min=1, help="Maximum tokens in the queue; more get 429.")] = 2**19,
    request_tokens: Annotated[int, typer.Option(min=1, help="Maximum tokens per request; more get 413.")] = 2**18,
    candidates: Annotated[int, typer.Option(min=1, help="Maximum candidates per request; more get 413.")] = 4096,
    body_bytes: Annotated[int, typer.Option(min=1, help="Maximum bytes per request; more get 413.")] = 8 * 2**20,
    waiting_bytes: Annotated[
        int, typer.Option(min=1, help="Maximum bytes of large requests in memory; further ones wait, then get 429.")
    ] = 32 * 2**20,
    drain_seconds: Annotated[float, typer.Option(min=0, help="Seconds to finish admitted work after SIGTERM.")] = 30.0,
    body_seconds: Annotated[
        float, typer.Option(min=0.1, help="Seconds to send a request; slower ones get 408.")
    ] = 30.0,
    keep_alive_seconds: Annotated[int, typer.Option(min=1, help="Seconds an idle connection stays open.")] = 75,
    connections: Annotated[int, typer.Option(min=1, help="Maximum open connections; more get 503.")] = 512,
    runtime: Runtime = None,
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
    ray: Ray = None,
    replicas: Annotated[int, typer.Option(min=1, help="Replicas on the cluster, each with its own scorers.")] = 2,
) -> None:
    """Serve the scorer over HTTP, with the APIs of vLLM, Cohere, Jina and text-embeddings-inference.

    With --llm, also serve best of n from a language model. With --ray, Ray Serve runs several replicas behind one
    address, each with --threads cores (default: 1).

    Example: cappy serve --llm http://localhost:8000/v1 -n 8
    """
    try:
        from cappy.server.keys import check_key
        from cappy.server.proxy.options import Wishes
        from cappy.server.scorers import Scorers
        from cappy.server.serving import serve as run
        from cappy.server.settings import Settings
    except MissingExtraError:
        raise
    except ImportError as error:
        raise MissingExtraError("serving", "serve") from error
    if hasattr(signal, "SIGHUP"):
        # Before the server is up there is nothing to reload, and SIGHUP would end the process.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    loaders = {}
    for one in model or [BUNDLED[0]]:
        name, _, checkpoint = one.rpartition("=")
        name = name or bundled_name(checkpoint) or Path(checkpoint).name
        if name in loaders:
            raise InputError(f"two scorers are named {name!r}; name them as NAME=CHECKPOINT.")
        if ray and Path(checkpoint).is_dir():
            checkpoint = str(Path(checkpoint).resolve())  # replicas start in other folders
        loaders[name] = partial(load_scorer, checkpoint, runtime, layout, precision, threads or (1 if ray else 0))
    host = host.strip("[]")  # IPv6 addresses may have the brackets of URLs
    keys = _keys(api_key, api_key_file, host, no_auth)
    if llm_key is not None:
        check_key(llm_key, "--llm-key")
    settings = Settings(
        body_bytes=body_bytes,
        waiting_bytes=waiting_bytes,
        candidates=candidates,
        request_tokens=request_tokens,
        queue_tokens=queue_tokens,
        drain_seconds=drain_seconds,
        llm_most=llm_most,
        body_seconds=body_seconds,
        keep_alive_seconds=keep_alive_seconds,
        connections=connections,
        api_keys=keys,
        cors_origins=tuple(cors_origin or ()),
        hosts=_hosts(host, allowed_host or []) if not keys else (),
    )
    if samples > llm_most:
        raise InputError(f"-n is {samples}, but --llm-most is {llm_most}.")
    if ray and llm and not llm.startswith(("http://", "https://")):
        raise InputError("--ray needs a language model that all nodes reach; give --llm a URL.")
    loaded = Scorers(loaders)  # also before joining a cluster: report loading errors here
    address, behind = _where(llm, llm_key, llm_model, threads) if llm else (None, None)
    if address:
        address = replace(address, seconds=llm_seconds, at_once=llm_at_once)
    wishes = Wishes(n=samples, adaptive=adaptive)
    if ray:
        from cappy.server.replicas import Replicas, Serving, serve_replicas

        serving = Serving(loaders, settings, address, wishes)
        serve_replicas(ray, serving, host, port, Replicas(replicas, threads or 1))
    else:
        run(loaded, settings, host, port, address, wishes)
    del behind


def _keys(given: list[str] | None, file: Path | None, host: str, no_auth: bool) -> tuple[str, ...]:
    """Return the keys that clients must send: from options and a file, or else from the environment."""
    from cappy.server.keys import check_key, read_keys

    for number, key in enumerate(given or (), 1):
        check_key(key, f"--api-key {number}" if number > 1 else "--api-key")
    named = os.environ.get("CAPPY_API_KEY")
    if given is None and file is None and named is not None:
        check_key(named, "CAPPY_API_KEY")
        given = [named]
    keys = (*(given or ()), *(read_keys(file) if file else ()))
    if keys and no_auth:
        raise InputError("--no-auth contradicts the given API key.")
    if not keys and not no_auth and not _is_loopback(host):
        raise InputError(
            f"{host} can be reached from other machines: give a key (--api-key, --api-key-file, CAPPY_API_KEY), or use "
            "--no-auth."
        )
    return keys


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _hosts(host: str, further: list[str]) -> tuple[str, ...]:
    """Return the host names a server accepts: on loopback its own, elsewhere any."""
    own = ("localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host)
    return (*dict.fromkeys(own), *(name.lower() for name in further)) if _is_loopback(host) else ()


def _where(llm: str, key: str | None, model: str | None, threads: int) -> tuple[Address, object]:
    """Return the language model's address, and the object that must stay alive while it is used."""
    from cappy.server.proxy.upstream import Address

    if llm.startswith(("http://", "https://")):
        return Address(llm, key, model), None
    from cappy.llm.find import find_llm
    from cappy.llm.gguf import GgufLLM

    found = find_llm(llm, context=4096, threads=threads)
    if not isinstance(found, GgufLLM):
        raise InputError(
            f"{llm!r} is neither a URL nor a GGUF model; serve it with vLLM or llama.cpp and give its URL."
        )
    return Address(found.address, found.key, found.model, only=True), found
