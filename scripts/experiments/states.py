"""Scoring groups with the weights that `choices.py` left in a run's state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from cappy.checkpoint.find import MINILM, find_encoder
from cappy.checkpoint.tokenizer import load_tokenizer
from cappy.group import Group
from cappy.layout import Conventions
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder
from cappy.training.batches import encode_groups
from cappy.training.made import pair_limits
from cappy.training.measure import score_training_groups
from cappy.training.prepare import ALL
from cappy.training.recipes import MINI


def read_state(state: Path) -> Callable[[Sequence[Group]], list[NDArray[np.float32]]]:
    """Return what scores all candidates of groups, [candidates] each, with the weights in the folder `state`."""
    folder = find_encoder(MINILM)
    _, spec, _ = starting_weights(folder, 0)
    tensors = load_file(state / "state.safetensors")
    weights = {name: tensors[f"weight:{name}"].bfloat16() for name in spec.shapes()}
    model = Encoder(spec, weights)
    tokenizer = load_tokenizer(folder, spec.family)
    conventions = Conventions.of(spec, "shared", tokenizer.cls_id, tokenizer.sep_id)
    limits = pair_limits(MINI.instruction_tokens, MINI.response_tokens)

    def score(groups: Sequence[Group]) -> list[NDArray[np.float32]]:
        return score_training_groups(model, encode_groups(groups, tokenizer, conventions, limits, ALL, 0), conventions)

    return score
