"""Any server that speaks the OpenAI protocol: vLLM, llama.cpp, Ollama, OpenAI and many others."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from cappy.errors import InputError, LanguageModelError, MissingExtraError
from cappy.llm.decoding import Decoding, prompt_seed
from cappy.llm.llama_cpp import LlamaCppServer
from cappy.llm.model import Sample, Samples
from cappy.llm.openai_protocol import (
    is_loopback,
    needed_fields,
    prompt_tokens,
    read_samples,
    refused_fields,
    request_body,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MOST_PER_REQUEST = 8
"""Maximum samples per request; servers with few slots refuse more."""


class OpenAILLM:
    """A model behind an OpenAI-compatible server.

    Up to `concurrency` requests run at the same time. Requests that fail (lost connection, timeout, 408, 409, 429, 5xx,
    unreadable answer) are retried up to `retries` times with exponential backoff and jitter; Retry-After is honoured. A
    request that still fails is an error of its prompt alone.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        chat: bool = True,
        concurrency: int = 8,
        timeout: float = 120.0,
        retries: int = 5,
    ) -> None:
        """Connect to a model on a server such as "http://host:8000/v1"; OpenAI by default.

        Args:
            model: the model's name on the server.
            base_url: the server's address; OPENAI_BASE_URL by default.
            api_key: OPENAI_API_KEY by default; local servers seldom need one.
            chat: whether prompts are user messages in the model's chat template, or plain text to continue.
            concurrency: maximum simultaneous requests.
            timeout: maximum seconds per request.
            retries: maximum retries of a failed request.

        Raises:
            MissingExtraError: the openai package is not installed.

        """
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError("language models behind a server", "llm") from error
        if concurrency < 1:
            raise InputError(f"concurrency is {concurrency}, but must be at least 1.")
        self._errors = openai
        self.model, self.chat = model, chat
        self._base_url = base_url
        self._api_key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self._concurrency, self._timeout, self._retries = concurrency, timeout, retries
        # Prompts sampled together get their whole plan before the next ones, while the server still caches them.
        self.prompts_together = concurrency
        self._left_out: set[str] = set()
        self._most = MOST_PER_REQUEST

    @property
    def name(self) -> str:
        """The model and whether it chats; the server's address is left out, as it does not change the samples."""
        return f"{self.model} ({'chat' if self.chat else 'completion'})"

    def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
        """Return `decoding.count` samples for every prompt; see `LanguageModel`."""
        return run(self.agenerate(prompts, decoding, seed))

    async def agenerate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
        """Run `generate` within a running event loop."""
        places = asyncio.Semaphore(self._concurrency)
        async with self._client() as client:
            server = await self._server_kind(client) if decoding.beams > 1 else ""
            if server == "llamacpp":
                return await self._beams(client, places, prompts, decoding)
            if decoding.beams > 1 and server != "vllm":
                raise InputError(
                    f"{self.model} is behind a server without beam search; leave it out of the plan, or use vLLM, "
                    "llama.cpp, a GGUF file or a model in this process."
                )
            tasks = [
                self._samples(client, places, prompt, decoding, prompt_seed(seed, decoding.name, prompt))
                for prompt in prompts
            ]
            return list(await asyncio.gather(*tasks))

    def _client(self) -> AsyncOpenAI:
        # A server on this machine is never reached through the proxy of the environment.
        direct = is_loopback(self._base_url or "")
        return self._errors.AsyncOpenAI(
            api_key=self._api_key,
            base_url=self._base_url,
            timeout=self._timeout,
            max_retries=self._retries,
            http_client=self._errors.DefaultAsyncHttpxClient(trust_env=False) if direct else None,
        )

    async def _server_kind(self, client: AsyncOpenAI) -> str:
        """Return the kind of server, such as "vllm" or "llamacpp": others would silently ignore beam search."""
        try:
            models = await client.get("/models", cast_to=object)
        except self._errors.OpenAIError as error:
            raise LanguageModelError(f"the server of {self.model} does not answer ({error}).") from error
        listed = models.get("data") if isinstance(models, dict) else None
        owners = [one.get("owned_by", "") for one in listed or [] if isinstance(one, dict)]
        return str(owners[0]) if owners else ""

    async def _beams(
        self, client: AsyncOpenAI, places: asyncio.Semaphore, prompts: Sequence[str], decoding: Decoding
    ) -> list[Samples]:
        """Run beam search for every prompt on a llama.cpp server."""
        server = LlamaCppServer(client, self.chat)

        async def search(prompt: str, ends: frozenset[int]) -> Samples:
            try:
                async with places:
                    return await server.beams(prompt, decoding, ends)
            except (self._errors.OpenAIError, LanguageModelError, LookupError, TypeError, ValueError) as error:
                return Samples((), f"{self.model}: {error}")

        try:
            ends = await server.end_tokens()
        except self._errors.OpenAIError as error:
            raise LanguageModelError(f"the server of {self.model} does not answer ({error}).") from error
        return list(await asyncio.gather(*(search(prompt, ends) for prompt in prompts)))

    async def _samples(
        self, client: AsyncOpenAI, places: asyncio.Semaphore, prompt: str, decoding: Decoding, seed: int
    ) -> Samples:
        """Send requests until there are enough samples: servers may return fewer than requested, or not support `n`."""
        found: list[Sample] = []
        used: int | None = None
        empty = 0

        async def ask(count: int, offset: int) -> dict[str, Any] | LanguageModelError:
            try:
                async with places:
                    return await self._ask(client, prompt, decoding, count, seed + offset)
            except LanguageModelError as error:
                return error

        while len(found) < decoding.count:
            lacking = decoding.count - len(found)
            # If a server returns one sample per request, the requests for the rest are sent together.
            sizes = [1] * lacking if self._most == 1 else [min(lacking, self._most)]
            answers = await asyncio.gather(*(ask(size, len(found) + place) for place, size in enumerate(sizes)))
            good = [answer for answer in answers if not isinstance(answer, LanguageModelError)]
            samples = [sample for answer in good for sample in read_samples(answer, decoding.name)]
            used = next((count for answer in good if (count := prompt_tokens(answer))), used)
            found += samples[:lacking]
            failed = [answer for answer in answers if isinstance(answer, LanguageModelError)]
            if failed and len(found) < decoding.count:
                return Samples(tuple(found), str(failed[0]), used)
            empty = 0 if samples else empty + 1
            if empty > self._retries:
                return Samples(tuple(found), f"{self.model} answers without choices.", used)
        return Samples(tuple(found), prompt_tokens=used)

    async def _ask(self, client: AsyncOpenAI, prompt: str, decoding: Decoding, count: int, seed: int) -> dict[str, Any]:
        """Send one request and return its answer; fields that the server refuses are left out from then on.

        Raises:
            LanguageModelError: the request fails for good.

        """
        unreadable = 0
        while True:
            needed = [name for name in needed_fields(decoding) if name in self._left_out]
            if needed:
                raise LanguageModelError(f"{self.model} is behind a server that knows no {needed[0]}.")
            body = request_body(
                self.model, prompt, decoding, count, seed, chat=self.chat, left_out=sorted(self._left_out)
            )
            try:
                text = await client.post("/chat/completions" if self.chat else "/completions", cast_to=str, body=body)
                answer: dict[str, Any] = json.loads(text)
                read_samples(answer, "")
                return answer
            except self._errors.APIStatusError as error:
                if error.status_code in (400, 404, 422) and count > 1 and _about_n(error.message):
                    self._most = count = 1
                    continue
                # Concurrent requests are refused for the same field; each is sent again without it.
                refused = refused_fields(error.message, body)
                if error.status_code not in (400, 422) or not refused:
                    raise LanguageModelError(f"{self.model} answers {error.status_code}: {error.message}") from error
                self._left_out |= set(refused)
            except self._errors.OpenAIError as error:
                raise LanguageModelError(f"{self.model} cannot be reached: {error}") from error
            except ValueError as error:
                unreadable += 1
                if unreadable > self._retries:
                    raise LanguageModelError(f"{self.model} gives no readable answer: {error}.") from error
                await asyncio.sleep(min(8.0, 0.25 * 2**unreadable))


def _about_n(message: str) -> bool:
    return any(mark in message for mark in ("'n'", "`n`", '"n"', " n ", "n must", "best_of"))


def run(work: Coroutine[Any, Any, list[Samples]]) -> list[Samples]:
    """Run a coroutine from synchronous code, even inside a running event loop (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    result: list[list[Samples]] = []
    failed: list[BaseException] = []

    def inner() -> None:
        try:
            result.append(asyncio.run(work))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=inner)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return result[0]
