"""Log-likelihoods of given responses under a language model: the baseline that ranks choices without a scorer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cappy.errors import CheckpointError, InputError, MissingExtraError

BATCH_TOKENS = 4096
"""Tokens per batch, padding included."""
LOGITS = 2**25
"""Maximum size of a batch's logits: 128 MiB in float32."""
DTYPES = ("float32", "bfloat16", "float16")
"""Data types of a model; sums of log-probabilities are always in float32."""
ON_A_GPU = 8
"""Factor of the batch size on a GPU."""


@dataclass(frozen=True, slots=True)
class ResponseLikelihood:
    """The natural logarithm of a response's probability (`total`, at most 0), and its number of tokens."""

    total: float
    tokens: int

    @property
    def mean(self) -> float:
        """The mean log-probability per token."""
        return self.total / self.tokens


class LikelihoodModel(Protocol):
    """A language model that can rank responses."""

    name: str
    dtype: str
    commit: str

    def log_likelihoods(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> list[list[ResponseLikelihood]]:
        """Return, for every prompt, the log-likelihood of each of its responses; an empty prompt gives the prior."""
        ...


@dataclass(frozen=True, slots=True)
class _Encoded:
    """The tokens of a prompt and of its responses; `place` is its index in the input."""

    place: int
    prompt: list[int]
    responses: list[list[int]]


class TransformersLikelihood:
    """A decoder or encoder-decoder through `transformers`.

    A response follows the prompt and a space ("… Answer: Yes"), or, with `chat`, begins the assistant's turn after the
    prompt as the user's turn. No end token is counted. A prompt is computed once, and its keys and values serve all its
    responses; a response of one token costs nothing more. Prompts are cut on the left.
    """

    def __init__(
        self,
        name: str,
        chat: bool = False,
        device: str | None = None,
        max_tokens: int = 2048,
        batch_tokens: int = 0,
        dtype: str = "float32",
    ) -> None:
        """Load a model: a folder, a hub name or a GGUF file, whose weights are unpacked to `dtype`.

        `batch_tokens` is the batch size, chosen for the device by default. Prompt and response together have at most
        `max_tokens`.

        Raises:
            CheckpointError: the model cannot be loaded, or has no chat template although `chat` is set.
            InputError: `dtype` is not in `DTYPES`.
            MissingExtraError: transformers or torch is not installed.

        """
        if dtype not in DTYPES:
            raise InputError(f"dtype {dtype!r} is unknown; choose one of {', '.join(DTYPES)}.")
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MissingExtraError("ranking by a language model's likelihoods", "transformers") from error
        gguf = Path(name) if name.endswith(".gguf") else None
        source = str(gguf.parent) if gguf else name
        options: dict[str, Any] = {"gguf_file": gguf.name} if gguf else {}
        try:
            config = transformers.AutoConfig.from_pretrained(source, **options)
            self._encoder_decoder = bool(config.is_encoder_decoder)
            kind: Any = transformers.AutoModelForCausalLM
            if self._encoder_decoder:
                kind = transformers.AutoModelForSeq2SeqLM
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
            self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
            self._model = kind.from_pretrained(source, dtype=getattr(torch, dtype), **options).eval().to(self._device)
        except ImportError as error:  # GGUF files need packages of their own
            raise MissingExtraError("reading GGUF files", "transformers") from error
        except (OSError, ValueError) as error:
            raise CheckpointError(f"the language model {name!r} cannot be loaded ({error}).") from error
        if chat and not self._tokenizer.chat_template:
            raise CheckpointError(f"the language model {name!r} has no chat template.")
        self.name, self.chat, self.dtype = name, chat, dtype
        self.commit = str(getattr(config, "_commit_hash", None) or "")  # the hub's error, for a model from there
        limit = getattr(config.get_text_config(), "max_position_embeddings", None) or max_tokens
        self._limit = min(max_tokens, limit)
        room = 1 if self._device.type == "cpu" else ON_A_GPU
        self._batch_tokens, self._logits = batch_tokens or room * BATCH_TOKENS, room * LOGITS
        self._vocabulary = int(self._model.get_output_embeddings().weight.shape[0])
        self._start = self._first_token()

    def _first_token(self) -> int:
        """Return the token that begins a text."""
        tokenizer, generation = self._tokenizer, self._model.generation_config
        known = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id]
        if self._encoder_decoder:
            known.insert(0, self._model.config.decoder_start_token_id or generation.decoder_start_token_id)
        return next((int(token) for token in known if token is not None), 0)

    def log_likelihoods(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> list[list[ResponseLikelihood]]:
        """Return the log-likelihood of every response given its prompt; an empty prompt gives the prior.

        A result does not depend on the rest of the batch, within 1e-4 in float32.

        Raises:
            InputError: a response has no tokens, or the numbers of prompts and lists differ.

        """
        import torch

        if len(prompts) != len(responses):
            raise InputError(f"there are {len(prompts)} prompts but {len(responses)} lists of responses.")
        encoded = [self._encode(place, *pair) for place, pair in enumerate(zip(prompts, responses, strict=True))]
        found: list[list[ResponseLikelihood]] = [[] for _ in prompts]
        compute = self._encoder_decoder_totals if self._encoder_decoder else self._decoder_totals
        with torch.inference_mode():
            for batch in self._batches(encoded):
                for item, totals in zip(batch, compute(batch), strict=True):
                    pairs = zip(totals, item.responses, strict=True)
                    found[item.place] = [ResponseLikelihood(total, len(ids)) for total, ids in pairs]
        return found

    def _encode(self, place: int, prompt: str, responses: Sequence[str]) -> _Encoded:
        tokens = self._response_tokens(prompt, responses)
        for response, ids in zip(responses, tokens, strict=True):
            if not ids:
                raise InputError(f"prompt {place}: the response {response!r} has no token.")
        head = self._prompt_tokens(prompt)
        room = max(1, self._limit - max(map(len, tokens), default=0))
        if len(head) > room:  # models expect their first token, so it is kept
            kept = head[:1] if head[0] == self._tokenizer.bos_token_id and room > 1 else []
            head = [*kept, *head[len(head) - room + len(kept) :]]
        return _Encoded(place, head, tokens)

    def _prompt_tokens(self, prompt: str) -> list[int]:
        if self.chat:
            turns = [{"role": "user", "content": prompt}]
            text = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            return list(self._tokenizer.encode(text, add_special_tokens=False))
        ids = list(self._tokenizer.encode(prompt.rstrip()))
        if self._encoder_decoder:
            return ids or [self._start]
        end = self._tokenizer.eos_token_id
        if len(ids) > 1 and ids[-1] == end:  # some tokenizers append an end token to every text
            ids.pop()
        return ids or [self._start]

    def _response_tokens(self, prompt: str, responses: Sequence[str]) -> list[list[int]]:
        """Return the tokens of responses, with a leading space unless they begin a turn or a text."""
        space = "" if self.chat or self._encoder_decoder else " "
        texts = [space + response.strip() for response in responses]
        return [list(self._tokenizer.encode(text, add_special_tokens=False)) if text.strip() else [] for text in texts]

    def _batches(self, encoded: Sequence[_Encoded]) -> Iterator[list[_Encoded]]:
        """Yield batches of prompts of similar length under the token budget, longest first."""
        batch: list[_Encoded] = []
        for item in sorted(encoded, key=lambda item: -len(item.prompt)):
            if batch and len(batch[0].prompt) * (len(batch) + 1) > self._batch_tokens:
                yield batch
                batch = []
            batch.append(item)
        if batch:
            yield batch

    def _decoder_totals(self, batch: Sequence[_Encoded]) -> list[list[float]]:
        """Compute prompts padded on the left, then all responses after their prompts' keys and values."""
        import torch

        width = max(len(item.prompt) for item in batch)
        ids = torch.full((len(batch), width), self._start)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, item in enumerate(batch):
            ids[row, width - len(item.prompt) :] = torch.tensor(item.prompt)
            mask[row, width - len(item.prompt) :] = 1
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        answer = self._model(
            input_ids=ids.to(self._device),
            attention_mask=mask.to(self._device),
            position_ids=positions.to(self._device),
            use_cache=True,
            logits_to_keep=1,
        )
        first = _log_softmax(answer.logits[:, -1])
        totals = [first[row, [ids[0] for ids in item.responses]].tolist() for row, item in enumerate(batch)]
        longer = [(r, c) for r, item in enumerate(batch) for c, ids in enumerate(item.responses) if len(ids) > 1]
        longer.sort(key=lambda pair: -len(batch[pair[0]].responses[pair[1]]))
        for part in self._parts(longer, batch, width):
            rows = torch.tensor([row for row, _ in part])
            behind = _right_padded([batch[r].responses[c] for r, c in part], self._start)
            fed, wanted = behind[:, :-1], behind[:, 1:]
            known = torch.tensor([[len(batch[r].responses[c])] for r, c in part]) > torch.arange(1, behind.shape[1])
            cache = deepcopy(answer.past_key_values)
            cache.batch_select_indices(rows.to(self._device))
            start = mask[rows].sum(1, keepdim=True)
            output = self._model(
                input_ids=fed.to(self._device),
                attention_mask=torch.cat([mask[rows], known.long()], 1).to(self._device),
                position_ids=(start + torch.arange(fed.shape[1])).to(self._device),
                past_key_values=cache,
                use_cache=True,
            )
            chosen = _log_softmax(output.logits).gather(2, wanted[..., None].to(self._device))[..., 0].cpu()
            for (row, column), more in zip(part, (chosen * known).sum(1).tolist(), strict=True):
                totals[row][column] += more
        return totals

    def _encoder_decoder_totals(self, batch: Sequence[_Encoded]) -> list[list[float]]:
        """Encode prompts padded on the right once, then score every response with the decoder (teacher forcing)."""
        import torch

        width = max(len(item.prompt) for item in batch)
        ids = _right_padded([item.prompt for item in batch], self._tokenizer.pad_token_id or 0)
        mask = (torch.tensor([[len(item.prompt)] for item in batch]) > torch.arange(width)).long()
        states = self._model.get_encoder()(input_ids=ids.to(self._device), attention_mask=mask.to(self._device))[0]
        totals = [[0.0] * len(item.responses) for item in batch]
        every = [(r, c) for r, item in enumerate(batch) for c in range(len(item.responses))]
        every.sort(key=lambda pair: -len(batch[pair[0]].responses[pair[1]]))
        for part in self._parts(every, batch, width):
            rows = torch.tensor([row for row, _ in part])
            wanted = _right_padded([batch[r].responses[c] for r, c in part], self._start)
            fed = torch.cat([torch.full((len(part), 1), self._start), wanted[:, :-1]], 1)
            known = torch.tensor([[len(batch[r].responses[c])] for r, c in part]) > torch.arange(wanted.shape[1])
            output = self._model(
                encoder_outputs=(states[rows.to(self._device)],),
                attention_mask=mask[rows].to(self._device),
                decoder_input_ids=fed.to(self._device),
            )
            chosen = _log_softmax(output.logits).gather(2, wanted[..., None].to(self._device))[..., 0].cpu()
            for (row, column), total in zip(part, (chosen * known).sum(1).tolist(), strict=True):
                totals[row][column] = total
        return totals

    def _parts(
        self, pairs: Sequence[tuple[int, int]], batch: Sequence[_Encoded], width: int
    ) -> Iterator[list[tuple[int, int]]]:
        """Split (prompt, response) pairs, longest responses first, so that cache and logits stay small enough."""
        start = 0
        while start < len(pairs):
            row, column = pairs[start]
            length = len(batch[row].responses[column])
            size = max(1, min(2 * self._batch_tokens // (width + length), self._logits // (length * self._vocabulary)))
            yield list(pairs[start : start + size])
            start += size


def _right_padded(lists: Sequence[Sequence[int]], filling: int) -> Any:
    """Return token lists as a tensor [lists, longest]."""
    import torch

    width = max(map(len, lists))
    return torch.tensor([[*ids, *[filling] * (width - len(ids))] for ids in lists])


def _log_softmax(logits: Any) -> Any:
    """Return log-probabilities in float32, whatever the model computes in."""
    import torch

    return torch.log_softmax(logits.float(), -1)
