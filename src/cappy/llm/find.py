"""From a name to a language model."""

from __future__ import annotations

from pathlib import Path

from cappy.llm.model import LanguageModel
from cappy.llm.registry import GGUF_MODELS, gguf_file

SMOLLM2 = "smollm2"
"""SmolLM2-135M-Instruct as a GGUF file: small enough for any machine, and the default."""
SMALL = 2**29
"""Largest GGUF file, in bytes, that is run by several servers by default."""


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
        name: "smollm2" or "gemma3" (downloaded by `cappy models --fetch`), a GGUF file, a folder or hub name for
            `transformers`; or, with `base_url`, the name of a model on that server.
        base_url: an OpenAI-compatible server, such as "http://localhost:8000/v1".
        api_key: its key, if it needs one.
        chat: whether to use the model's chat template. By default servers and GGUF files chat, except Gemma, which is
            not a chat model.
        concurrency: simultaneous requests to a server; prompts per batch of a transformers model.
        context: tokens of prompt and response together (GGUF).
        threads: CPU threads (GGUF); 0 uses all.
        servers: how many llama.cpp servers share the prompts (GGUF); 0 starts one per thread if the model is small,
            which is fastest.
        device: a torch device (transformers).

    Raises:
        InputError: there is no such model.
        LanguageModelError: the model cannot be loaded.
        MissingExtraError: a required package is not installed.

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
        # A large model's weights should be read once for all threads, and several contexts take gigabytes.
        servers = servers or (0 if file.is_file() and file.stat().st_size <= SMALL else 1)
        return GgufLLM(file, chat=talks, context=context, threads=threads, alias=alias, servers=servers)
    from cappy.llm.transformers_llm import TransformersLLM

    return TransformersLLM(name, device, concurrency, chat=bool(chat))
