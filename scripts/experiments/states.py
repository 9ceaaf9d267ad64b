"""Scoring groups with the weights that `choices.py` left in a run's state."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from cappy.checkpoint.find import MINILM, find_encoder
from cappy.errors import InputError
from cappy.files.atomic import sha256
from cappy.group import Group
from cappy.layout.encode import Conventions
from cappy.layout.tokenizer import load_tokenizer
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder
from cappy.training.batches import encode_groups
from cappy.training.derived import pair_limits
from cappy.training.prepare import ALL
from cappy.training.recipes import MINI
from cappy.training.validation import score_training_groups


def read_state(state: Path) -> Callable[[Sequence[Group]], list[NDArray[np.float32]]]:
    """Return what scores all candidates of groups, [candidates] each, with the weights in the folder `state`.

    They stay in float32: in bfloat16 many scores are equal.

    Raises:
        InputError: the run began from another encoder than all-MiniLM-L6-v2.

    """
    folder = find_encoder(MINILM)
    origin = json.loads((state / "progress.json").read_text())["origin"]
    if sha256(folder / "model.safetensors") not in origin:
        raise InputError(f"{state} is of a run that began from another encoder than {MINILM}.")
    _, spec, _ = starting_weights(folder, 0)
    tensors = load_file(state / "state.safetensors")
    weights = {name: tensors[f"weight:{name}"] for name in spec.shapes()}
    model = Encoder(spec, weights)
    tokenizer = load_tokenizer(folder, spec)
    conventions = Conventions.of(spec, "shared", tokenizer.cls_id, tokenizer.sep_id)
    limits = pair_limits(MINI.instruction_tokens, MINI.response_tokens)

    def score(groups: Sequence[Group]) -> list[NDArray[np.float32]]:
        return score_training_groups(model, encode_groups(groups, tokenizer, conventions, limits, ALL, 0), conventions)

    return score
