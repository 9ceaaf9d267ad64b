"""From a name to a language model."""

from __future__ import annotations

from pathlib import Path

from cappy.llm.model import LanguageModel
from cappy.llm.registry import GGUF_MODELS, gguf_file

SMOLLM2 = "smollm2"
"""SmolLM2-135M-Instruct as a GGUF file: small enough for any machine, and the default where nothing else is named."""
SMALL = 2**29
"""Bytes of a GGUF file up to which several servers of it are made where the caller leaves that open."""


def find_llm(
    name: str = SMOLLM2,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    chat: bool | None = None,
    concurrency: int = 8,
    context: int = 1024,
    threads: int = 0,
    servers: int = 1,
    device: str | None = None,
) -> LanguageModel:
    """Load or reach a language model.

    Args:
        name: "smollm2", "gemma3" (those that `cappy models --fetch` brings), a GGUF file, a folder or a hub name for
            `transformers`; or, with `base_url`, the name of a model on that server.
        base_url: an OpenAI-compatible server, "http://localhost:8000/v1".
        api_key: its key, where it wants one.
        chat: whether prompts are put under the model's chat template; unless said, those of servers and GGUF files
            are, except Gemma's, which is no chat model.
        concurrency: requests to a server at the same time; prompts that a transformers model answers together.
        context: tokens of prompt and response together (GGUF).
        threads: processor threads (GGUF); 0 takes all.
        servers: how many llama.cpp servers share many prompts (GGUF); 0 makes one a thread where the model is
            small, which is fastest then.
        device: a torch device (transformers).

    Raises:
        InputError: there is no such model.
        LanguageModelError: it cannot be loaded.
        MissingExtraError: a package it needs is not installed.

    """
    if base_url:
        from cappy.llm.openai_llm import OpenAILLM

        return OpenAILLM(name, base_url, api_key, chat=chat is not False, concurrency=concurrency)
    if name in GGUF_MODELS or name.endswith(".gguf"):
        from cappy.llm.gguf import GgufLLM

        known = GGUF_MODELS.get(name)
        file = gguf_file(name) if known else Path(name)
        talks = (known is None or known.chats) if chat is None else chat
        alias = name if known else ""
        # A large model's weights must be read once for all threads, and several contexts of it take gigabytes.
        servers = servers or (0 if file.is_file() and file.stat().st_size <= SMALL else 1)
        return GgufLLM(file, chat=talks, context=context, threads=threads, alias=alias, servers=servers)
    from cappy.llm.transformers_llm import TransformersLLM

    return TransformersLLM(name, device, concurrency, chat=bool(chat))
