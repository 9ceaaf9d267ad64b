"""Beam search on a llama.cpp server, through its endpoints outside the OpenAI protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cappy.errors import LanguageModelError
from cappy.llm.beams import beam_search
from cappy.llm.decoding import Decoding
from cappy.llm.model import Sample, Samples

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_ENDS = "<|im_end|><|endoftext|></s><eos><end_of_turn><|eot_id|><|end_of_text|>"
"""End tokens of common models; those that a vocabulary lacks become several tokens and are ignored."""


class LlamaCppServer:
    """A llama.cpp server's own endpoints, through a client of its OpenAI endpoints."""

    def __init__(self, client: AsyncOpenAI, chat: bool) -> None:
        """Wrap `client`, whose address ends in /v1; `chat` applies the model's chat template."""
        self._client, self._chat = client, chat
        self._root = str(client.base_url).rstrip("/").removesuffix("/v1")
        self._letter: int | None = None

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request to an endpoint below the server's root."""
        answer = await self._post(path, body)
        if not isinstance(answer, dict):
            raise LanguageModelError(f"the server's {path} gives no readable answer.")
        return answer

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return await self._client.post(f"{self._root}{path}", cast_to=object, body=body)

    async def tokenize(self, text: str) -> list[int]:
        """Return a text's token ids, including special tokens."""
        body = {"content": text, "add_special": not self._chat, "parse_special": True}
        return list((await self.post("/tokenize", body))["tokens"])

    async def end_tokens(self) -> frozenset[int]:
        """Return the ids that end a response."""
        names = [f"{part}>" for part in _ENDS.split(">") if part]
        found = await asyncio.gather(*(self._end_token(name) for name in names))
        return frozenset(token for token in found if token is not None)

    async def _end_token(self, name: str) -> int | None:
        body = {"content": name, "add_special": False, "parse_special": True}
        tokens = (await self.post("/tokenize", body))["tokens"]
        return int(tokens[0]) if len(tokens) == 1 else None

    async def prompt(self, text: str) -> list[int]:
        """Return a prompt's token ids, in the chat template if the model chats."""
        if self._chat:
            body = {"messages": [{"role": "user", "content": text}]}
            text = (await self.post("/apply-template", body))["prompt"]
        return await self.tokenize(text)

    async def next_tokens(self, prefixes: Sequence[Sequence[int]], count: int) -> list[list[tuple[int, float]]]:
        """Return the `count` most likely tokens after each of `prefixes` with their log probabilities.

        All go into one request, which the server computes as a batch; separate requests would run one after the other.
        """
        if self._letter is None:
            self._letter = int((await self.post("/tokenize", {"content": "a", "add_special": False}))["tokens"][0])
        body = {
            "prompt": [list(tokens) for tokens in prefixes],
            "n_predict": 1,
            "n_probs": count,
            "temperature": 0,
            "cache_prompt": True,
            # Of a token that is part of a character the server reports no probabilities: what it draws is always a
            # letter. The probabilities it reports are those before such a bias.
            "logit_bias": [[self._letter, 1000.0]],
        }
        answers = await self._post("/completion", body)
        answers = answers if isinstance(answers, list) else [answers]
        try:
            ordered = sorted(answers, key=lambda answer: int(answer.get("index", 0)))
            likeliest = [answer["completion_probabilities"][0]["top_logprobs"] for answer in ordered]
            found = [[(int(one["id"]), float(one["logprob"])) for one in tokens] for tokens in likeliest]
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise LanguageModelError("the server reports no token probabilities.") from error
        if len(found) != len(prefixes):
            raise LanguageModelError(f"the server answers {len(found)} of {len(prefixes)} prompts.")
        return found

    async def beams(self, text: str, decoding: Decoding, ends: frozenset[int]) -> Samples:
        """Run beam search for one prompt, one token at a time; the server caches the prompt's keys and values."""
        width = max(decoding.beams, decoding.count)
        prompt = await self.prompt(text)

        async def expand(responses: Sequence[tuple[int, ...]]) -> list[list[tuple[int, float]]]:
            return await self.next_tokens([[*prompt, *response] for response in responses], 2 * width)

        best = await beam_search(expand, ends, width, decoding.max_tokens, decoding.min_tokens)
        samples = []
        for beam in best[: decoding.count]:
            content = (await self.post("/detokenize", {"tokens": list(beam.tokens)}))["content"]
            length = len(beam.tokens) + beam.ended
            samples.append(Sample(str(content).strip(), decoding.name, beam.log_likelihood, length))
        return Samples(tuple(samples), prompt_tokens=len(prompt))
