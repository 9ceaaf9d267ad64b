"""GGUF files run by llama.cpp in this process: real language models on a CPU, offline."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cappy.errors import InputError, LanguageModelError, MissingExtraError
from cappy.llm.decoding import Decoding
from cappy.llm.model import Samples
from cappy.llm.openai_llm import OpenAILLM


class GgufLLM(OpenAILLM):
    """A GGUF model run by llama.cpp (`xllamacpp`) within this process.

    Its servers listen on loopback ports chosen by the system, behind a random key, and are used like any other server.
    Samples of one prompt share its computation.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        chat: bool = True,
        parallel: int = 16,
        context: int = 1024,
        threads: int = 0,
        alias: str = "",
        servers: int = 1,
    ) -> None:
        """Load a model.

        Args:
            path: the GGUF file.
            chat: whether prompts are user messages in the model's chat template, or plain text to continue.
            parallel: sequences generated at the same time, by all servers together.
            context: maximum tokens of each, prompt and response together.
            threads: CPU threads of all servers together; 0 uses all cores.
            alias: the model's name; by default the file's name and a hash of its beginning.
            servers: how many share the prompts; 0 starts one per thread. The threads of a server wait for each other at
                every step of a small model, so several servers are faster for many prompts, and one server for one.

        Raises:
            InputError: the file does not exist.
            LanguageModelError: the file cannot be loaded.
            MissingExtraError: xllamacpp is not installed.

        """
        file = Path(path)
        if not file.is_file():
            raise InputError(f"there is no GGUF file {file}.")
        try:
            import xllamacpp
        except ImportError as error:
            raise MissingExtraError("running GGUF models", "llm") from error
        key = secrets.token_hex(16)
        name = alias or f"{file.stem}-{_fingerprint(file)}"
        threads = threads or os.cpu_count() or 1
        servers = min(servers or threads, threads, parallel)
        share = parallel // servers
        settings = xllamacpp.CommonParams()
        settings.model.path, settings.model_alias = str(file), {name}
        settings.n_ctx, settings.n_parallel, settings.kv_unified = context * share, share, False
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads // servers
        # Prompts are sampled a few at a time and not requested again, so the server's default of keeping gigabytes of
        # computed prompts gains nothing.
        settings.cache_ram_mib = 256
        settings.hostnames, settings.port, settings.api_keys = ["127.0.0.1"], 0, [key]
        settings.verbosity = -1
        settings.endpoint_metrics = True
        try:
            self._servers: list[Any] = [_started(xllamacpp.Server(settings)) for _ in range(servers)]
        except Exception as error:
            raise LanguageModelError(f"{file} cannot be loaded by llama.cpp ({error}).") from error
        addresses = [f"{server.listening_address}/v1" for server in self._servers]
        self.address, self.key = addresses[0], key
        # A request for n samples takes n slots, so more requests than this would only wait.
        each = max(1, share // 4)
        super().__init__(name, self.address, key, chat=chat, concurrency=each, timeout=600.0)
        self.prompts_together = each * servers
        self._others = [
            OpenAILLM(name, address, key, chat=chat, concurrency=each, timeout=600.0) for address in addresses[1:]
        ]

    async def agenerate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
        """Run `generate` within a running event loop; the servers take prompts in turn."""
        count = 1 + len(self._others)
        if count == 1:
            return await super().agenerate(prompts, decoding, seed)
        work = [super().agenerate(prompts[::count], decoding, seed)]
        work += [one.agenerate(prompts[i::count], decoding, seed) for i, one in enumerate(self._others, 1)]
        parts = await asyncio.gather(*work)
        return [parts[number % count][number // count] for number in range(len(prompts))]

    def close(self) -> None:
        """Stop the servers and free the model's memory; later requests fail."""
        self._servers.clear()


def _started(server: Any) -> Any:
    """Wait until a server takes tasks: a stop before then would be lost, and the server would wait for ever."""
    server.handle_metrics()  # answered by the thread that takes tasks
    return server


def _fingerprint(file: Path) -> str:
    """Return a hash that distinguishes files of the same name, without reading gigabytes."""
    with file.open("rb") as content:
        return hashlib.sha256(content.read(1 << 20) + str(file.stat().st_size).encode()).hexdigest()[:8]
