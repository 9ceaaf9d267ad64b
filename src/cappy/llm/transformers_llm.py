"""Language models in this process through `transformers`: encoder-decoders (FLAN-T5, T0) and decoders (OPT, SmolLM)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cappy.errors import CheckpointError, InputError, MissingExtraError
from cappy.llm.decoding import Decoding, prompt_seed
from cappy.llm.model import Sample, Samples


class TransformersLLM:
    """A causal or encoder-decoder model; prompts are cut on the left to fit the model's length."""

    def __init__(
        self,
        name: str,
        device: str | None = None,
        batch: int = 8,
        max_prompt_tokens: int | None = None,
        chat: bool = False,
    ) -> None:
        """Load a model by folder or hub name.

        `batch` is the number of prompts per batch. With `chat` a prompt is a user message in the model's chat template.
        `max_prompt_tokens` limits prompts beyond the model's own length.

        Raises:
            CheckpointError: the model cannot be loaded.
            MissingExtraError: transformers or torch is not installed.

        """
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MissingExtraError("language models of transformers", "transformers") from error
        try:
            config = transformers.AutoConfig.from_pretrained(name)
            kind: Any = transformers.AutoModelForCausalLM
            if config.is_encoder_decoder:
                kind = transformers.AutoModelForSeq2SeqLM
            side = "right" if config.is_encoder_decoder else "left"
            options: dict[str, Any] = {"padding_side": side, "truncation_side": "left"}
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(name, **options)
            self._model = kind.from_pretrained(name).eval()
        except (OSError, ValueError) as error:
            raise CheckpointError(f"the language model {name!r} cannot be loaded ({error}).") from error
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._model.to(self._device)
        self._settle(name, batch, max_prompt_tokens, chat)

    @classmethod
    def of(cls, model: Any, tokenizer: Any, batch: int = 8, chat: bool | None = None) -> TransformersLLM:
        """Sample from a model in memory, on its own device; its mode (training or not) stays as it is.

        The tokenizer is copied. With `chat` a prompt is a user message under its chat template; unless given, it is if
        there is a template.

        Raises:
            InputError: the tokenizer has no chat template, and `chat` is true.
            MissingExtraError: transformers or torch is not installed.

        """
        try:
            import transformers  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("language models of transformers", "transformers") from error
        found = cls.__new__(cls)
        found._model, found._tokenizer, found._device = model, copy.deepcopy(tokenizer), model.device
        found._tokenizer.padding_side = "right" if model.config.is_encoder_decoder else "left"
        found._tokenizer.truncation_side = "left"
        talks = bool(tokenizer.chat_template) if chat is None else chat
        found._settle(str(model.config.name_or_path or type(model).__name__), batch, None, talks)
        return found

    def _settle(self, name: str, batch: int, max_prompt_tokens: int | None, chat: bool) -> None:
        """Note what follows from the model and the tokenizer."""
        if chat and not self._tokenizer.chat_template:
            raise InputError(f"the language model {name!r} has no chat template.")
        config = self._model.config
        self._chat = chat
        self.name = f"{name} ({'chat' if chat else 'completion'})"
        self._causal = not config.is_encoder_decoder
        self.prompts_together, self._max_prompt = batch, max_prompt_tokens
        length = getattr(config.get_text_config(), "max_position_embeddings", None)
        # Models with relative positions state no maximum length; their tokenizer may.
        self._length = int(length or min(self._tokenizer.model_max_length, 2048))
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token

    def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
        """Return `decoding.count` samples for every prompt; the same for the same prompts in the same order."""
        import torch

        found: list[Samples] = []
        for start in range(0, len(prompts), self.prompts_together):
            part = list(prompts[start : start + self.prompts_together])
            written = [self._under_template(prompt) for prompt in part]
            known = [text for text in written if self._has_token(text)]
            torch.manual_seed(prompt_seed(seed, decoding.name, part[0]))
            made = iter(self._generate(known, decoding) if known else [])
            found += [next(made) if self._has_token(text) else Samples((), "the prompt is empty.") for text in written]
        return found

    def _has_token(self, text: str) -> bool:
        return bool(self._tokenizer(text, add_special_tokens=not self._chat)["input_ids"])

    def _generate(self, written: list[str], decoding: Decoding) -> list[Samples]:
        import torch

        # A decoder's response shares its length with the prompt.
        room = max(1, self._length - (decoding.max_tokens if self._causal else 0))
        inputs = self._tokenizer(
            written,
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=min(room, self._max_prompt or room),
            add_special_tokens=not self._chat,
        ).to(self._device)
        inputs.pop("token_type_ids", None)
        with torch.inference_mode(), _evaluating(self._model):
            ids = self._model.generate(**inputs, **_settings(decoding), pad_token_id=self._tokenizer.pad_token_id)
            # A decoder-only model returns the prompt first, an encoder-decoder its start token.
            ids = ids[:, inputs["input_ids"].shape[1] if self._causal else 1 :]
            lengths = self._lengths(ids)
            totals = self._log_likelihoods(inputs, ids, lengths, decoding.count)
        texts = [text.strip() for text in self._tokenizer.batch_decode(ids, skip_special_tokens=True)]
        samples = [
            Sample(text, decoding.name, total, length)
            for text, total, length in zip(texts, totals, lengths.tolist(), strict=True)
        ]
        sizes = inputs["attention_mask"].sum(dim=1).tolist()
        return [
            Samples(tuple(samples[i * decoding.count : (i + 1) * decoding.count]), prompt_tokens=size)
            for i, size in enumerate(sizes)
        ]

    def _under_template(self, prompt: str) -> str:
        if not self._chat:
            return prompt
        messages = [{"role": "user", "content": prompt}]
        return str(self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def _lengths(self, ids: Any) -> Any:
        """Count each response's tokens [responses], including the end token."""
        import torch

        ends = self._model.generation_config.eos_token_id
        known = torch.tensor([ends] if isinstance(ends, int) else (ends or []), device=ids.device)
        ended = torch.isin(ids, known)
        return torch.where(ended.any(dim=1), ended.int().argmax(dim=1) + 1, ids.shape[1])

    def _log_likelihoods(self, inputs: Any, ids: Any, lengths: Any, count: int) -> list[float]:
        """Sum the log probabilities of each response's tokens [responses], in one pass over all."""
        import torch

        mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        prompts = inputs["input_ids"].repeat_interleave(count, dim=0)
        attention = inputs["attention_mask"].repeat_interleave(count, dim=0)
        if self._causal:
            whole = torch.cat([prompts, ids], dim=1)
            attended = torch.cat([attention, mask.to(attention.dtype)], dim=1)
            positions = (attended.cumsum(dim=1) - 1).clamp(min=0)
            logits = self._model(input_ids=whole, attention_mask=attended, position_ids=positions).logits
            logits = logits[:, prompts.shape[1] - 1 : -1]
        else:
            labels = ids.masked_fill(~mask, self._tokenizer.pad_token_id)
            logits = self._model(input_ids=prompts, attention_mask=attention, labels=labels).logits
        chosen = logits.float().log_softmax(dim=-1).gather(2, ids[:, :, None])[:, :, 0]
        totals: list[float] = chosen.masked_fill(~mask, 0.0).sum(dim=1).tolist()
        return totals


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Put a model into evaluation, and back into training if it was."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _settings(decoding: Decoding) -> dict[str, Any]:
    """Return the arguments of `generate` for a decoding."""
    settings: dict[str, Any] = {
        "num_return_sequences": decoding.count,
        "min_new_tokens": decoding.min_tokens,
        "max_new_tokens": decoding.max_tokens,
    }
    if decoding.beams > 1:
        return {**settings, "num_beams": max(decoding.beams, decoding.count), "do_sample": False}
    if decoding.temperature == 0:
        return {**settings, "do_sample": False}
    drawn = {"do_sample": True, "temperature": decoding.temperature, "top_k": decoding.top_k, "top_p": decoding.top_p}
    return {**settings, **drawn}
