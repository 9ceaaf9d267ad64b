"""ELECTRA (Clark et al., 2020): BERT with narrower embeddings, projected, and a head with GELU instead of tanh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cappy.encoders.spec import EncoderSpec, common_sizes

MODEL_TYPES = ("electra",)


def read(config: Mapping[str, Any], where: str) -> EncoderSpec:
    """Read the spec from a `config.json`."""
    sizes = common_sizes(config, where, position_offset=0)
    return EncoderSpec(
        "electra",
        "electra",
        "ElectraForSequenceClassification",
        **sizes | {"embedding_width": int(config.get("embedding_size", sizes["hidden"]))},
        head=("classifier.dense", "classifier.out_proj"),
        head_activation="gelu",
    )
