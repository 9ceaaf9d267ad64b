"""An encoder's weights in torch, with a new scoring head if it has none: the start of training and embedding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cappy.checkpoint.checkpoint import read_tensors
from cappy.encoders.registry import encoder_spec, scoring_config
from cappy.encoders.spec import EncoderSpec
from cappy.errors import CheckpointError


def starting_weights(folder: Path, seed: int) -> tuple[Mapping[str, Any], EncoderSpec, dict[str, Tensor]]:
    """Read an encoder: its config, its spec, and a weight for every name of a scorer.

    A missing head is initialised from `seed` with small weights; its output is near 0.3, about the mean label.

    Raises:
        CheckpointError: the encoder cannot be read.

    """
    try:
        config = scoring_config(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: the encoder cannot be read ({error}).") from error
    spec = encoder_spec(config, str(folder))
    found = read_tensors(folder)
    generator = torch.Generator().manual_seed(seed)
    heads = [f"{name}." for name in (*spec.head, spec.head_norm) if name]
    weights: dict[str, Tensor] = {}
    for name, shape in spec.shapes().items():
        stored = found.get(name, found.get(name.removeprefix(f"{spec.prefix}.")))
        if stored is not None and tuple(stored.shape) == shape:
            weights[name] = torch.from_numpy(stored).float()
        elif any(name.startswith(head) for head in heads):
            weights[name] = torch.ones(shape) if name == f"{spec.head_norm}.weight" else _fresh(name, shape, generator)
        else:
            raise CheckpointError(f"{folder}: the encoder's weights lack {name!r} of shape {shape}.")
    return config, spec, weights


def _fresh(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if name.endswith(".bias"):
        return torch.full(shape, 0.3 if shape == (1,) else 0.0)
    return 0.02 * torch.randn(shape, generator=generator)
