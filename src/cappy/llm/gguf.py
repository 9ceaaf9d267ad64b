"""GGUF files in this process, computed by llama.cpp: real language models on a CPU, offline."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from cappy.errors import InputError, LanguageModelError, MissingExtraError
from cappy.llm.openai_llm import OpenAILLM


class GgufLLM(OpenAILLM):
    """A GGUF model run by llama.cpp (`xllamacpp`) within this process.

    Its server listens on a loopback port that the system chooses, behind a key that is drawn for it, and shares the
    path of every other server. Samples of one prompt share its computation.
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
    ) -> None:
        """Load a model.

        Args:
            path: the GGUF file.
            chat: whether prompts are user messages under the model's chat template, or plain text to go on from.
            parallel: sequences generated at the same time.
            context: tokens that each of them may have, prompt and response together.
            threads: processor threads; 0 takes all cores.
            alias: what to call the model; the file's name and a hash of its beginning unless given.

        Raises:
            InputError: there is no such file.
            LanguageModelError: the file cannot be loaded.
            MissingExtraError: xllamacpp is not installed.

        """
        file = Path(path)
        if not file.is_file():
            raise InputError(f"there is no GGUF file {file}.")
        try:
            import xllamacpp
        except ImportError as error:
            raise MissingExtraError("GGUF models", "llm") from error
        key = secrets.token_hex(16)
        name = alias or f"{file.stem}-{_fingerprint(file)}"
        settings = xllamacpp.CommonParams()
        settings.model.path, settings.model_alias = str(file), {name}
        settings.n_ctx, settings.n_parallel, settings.kv_unified = context * parallel, parallel, False
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads or os.cpu_count() or 1
        settings.hostnames, settings.port, settings.api_keys = ["127.0.0.1"], 0, [key]
        settings.verbosity = -1
        try:
            self._server = xllamacpp.Server(settings)
        except Exception as error:
            raise LanguageModelError(f"{file} cannot be loaded by llama.cpp ({error}).") from error
        self.address, self.key = f"{self._server.listening_address}/v1", key
        # A request of n samples takes n places, so more requests than this would only wait.
        self.prompts_together = max(1, parallel // 4)
        super().__init__(name, self.address, key, chat=chat, concurrency=self.prompts_together, timeout=600.0)


def _fingerprint(file: Path) -> str:
    """Tell files of the same name apart, without reading gigabytes."""
    with file.open("rb") as content:
        return hashlib.sha256(content.read(1 << 20) + str(file.stat().st_size).encode()).hexdigest()[:8]
