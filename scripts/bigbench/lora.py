"""LoRA (Hu et al., 2021, arXiv 2106.09685) on few examples, with peft: a small chat model learns a task."""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cappy.llm.registry import GGUF_MODELS, gguf_file

BATCH = 8
RATE = 5e-4
IGNORED = -100
"""Label of tokens outside the response."""


def load(name: str) -> tuple[Any, Any]:
    """Load a chat model and its tokenizer in float32: a known GGUF model, which is dequantised, or any other."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = gguf_file(name) if name in GGUF_MODELS else None
    source, options = (str(file.parent), {"gguf_file": file.name}) if file else (name, {})
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, **options)
    if file:
        model = _plain(model)
    return model, AutoTokenizer.from_pretrained(source, **options)


def _plain(model: Any) -> Any:
    """Copy dequantised weights into a model without a quantisation config, which would prevent saving."""
    from transformers import AutoModelForCausalLM

    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    return plain


def encode(tokenizer: Any, prompt: str, response: str) -> tuple[list[int], list[int]]:
    """Return the token ids of one exchange under the chat template, and the labels: the response's tokens."""
    asked = [{"role": "user", "content": prompt}]
    before = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    answer = f"{response}{tokenizer.eos_token}"
    first, second = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (before, answer))
    return [*first, *second], [IGNORED] * len(first) + second


def padded(rows: Sequence[tuple[list[int], list[int]]], pad: int) -> dict[str, Tensor]:
    """Pad rows on the right to one length: input_ids, attention_mask and labels [rows, longest]."""
    longest = max(len(ids) for ids, _ in rows)
    ids, mask, labels = (torch.full((len(rows), longest), value) for value in (pad, 0, IGNORED))
    for number, (tokens, wanted) in enumerate(rows):
        ids[number, : len(tokens)] = torch.tensor(tokens)
        labels[number, : len(wanted)] = torch.tensor(wanted)
        mask[number, : len(tokens)] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def finetune(
    model: Any, tokenizer: Any, pairs: Sequence[tuple[str, str]], folder: Path, epochs: int, seed: int
) -> None:
    """Train adapters on (prompt, response) pairs, merge them into the model and save it to `folder`."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    wanted = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, wanted).train()
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=RATE, weight_decay=0.0)
    rows = [encode(tokenizer, *pair) for pair in pairs]
    draw, total, step = random.Random(seed), epochs * -(-len(rows) // BATCH), 0
    for epoch in range(1, epochs + 1):
        order, losses = draw.sample(range(len(rows)), len(rows)), []
        for start in range(0, len(order), BATCH):
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - step / total)
            batch = padded([rows[i] for i in order[start : start + BATCH]], tokenizer.pad_token_id or 0)
            loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
            step += 1
        print(f"LoRA, epoch {epoch} of {epochs}: loss {sum(losses) / len(losses):.3f}", file=sys.stderr)
    merged = model.merge_and_unload().eval()
    merged.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
