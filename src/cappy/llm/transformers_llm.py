"""Language models in this process through `transformers`: encoder-decoders (FLAN-T5, T0) and decoders (OPT, SmolLM)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cappy.errors import CheckpointError, InputError, MissingExtraError
from cappy.llm.decoding import Decoding


class TransformersLLM:
    """A causal or encoder-decoder model; prompts are plain text, cut on the left to the model's length."""

    def __init__(self, name: str, device: str | None = None, batch: int = 8, max_prompt_tokens: int = 1024) -> None:
        """Load a model by folder or hub name. `batch` prompts are generated for together.

        Raises:
            CheckpointError: the model cannot be had.
            MissingExtraError: transformers or torch is not installed.

        """
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MissingExtraError("language models in this process", "llm") from error
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
        self.name = name
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._model.to(self._device)
        self._causal = not config.is_encoder_decoder
        self._batch, self._max_prompt = batch, max_prompt_tokens
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token

    def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[list[str]]:
        """Return `decoding.count` responses for every prompt; the same for the same prompts and seed.

        Raises:
            InputError: a prompt has no token.

        """
        import torch

        found: list[list[str]] = []
        for start in range(0, len(prompts), self._batch):
            part = list(prompts[start : start + self._batch])
            torch.manual_seed(seed + start)
            found += self._generate(part, decoding)
        return found

    def _generate(self, prompts: list[str], decoding: Decoding) -> list[list[str]]:
        import torch

        inputs = self._tokenizer(
            prompts, return_tensors="pt", padding=True, truncation=True, max_length=self._max_prompt
        ).to(self._device)
        inputs.pop("token_type_ids", None)
        if not inputs["attention_mask"].any(dim=1).all():
            raise InputError("a prompt is empty.")
        with torch.inference_mode():
            ids = self._model.generate(**inputs, **_settings(decoding), pad_token_id=self._tokenizer.pad_token_id)
        if self._causal:
            ids = ids[:, inputs["input_ids"].shape[1] :]
        texts = [text.strip() for text in self._tokenizer.batch_decode(ids, skip_special_tokens=True)]
        return [texts[i : i + decoding.count] for i in range(0, len(texts), decoding.count)]


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
