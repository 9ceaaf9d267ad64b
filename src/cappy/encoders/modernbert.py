"""ModernBERT (Warner et al., 2024): rotary positions, local attention, gated feed-forward layers, no biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cappy.encoders.spec import EncoderSpec, LayerNames, Rotary, common_sizes
from cappy.errors import CheckpointError

MODEL_TYPES = ("modernbert",)
SCORING = {"classifier_pooling": "cls"}
"""Entries that override an encoder's config in a scorer's: published encoders use mean pooling."""
NAMES = LayerNames(
    query="attn.Wqkv#0",
    key="attn.Wqkv#1",
    value="attn.Wqkv#2",
    attention_output="attn.Wo",
    attention_norm="attn_norm",
    intermediate="mlp.Wi#0",
    gate="mlp.Wi#1",
    output="mlp.Wo",
    output_norm="mlp_norm",
)


def read(config: Mapping[str, Any], where: str) -> EncoderSpec:
    """Read the spec from a `config.json`."""
    if config.get("classifier_pooling", "cls") != "cls":
        raise CheckpointError(f"{where}: classifier_pooling is not 'cls'; a score is read at one token.")
    biases = [key for key in ("attention_bias", "mlp_bias", "norm_bias", "classifier_bias") if config.get(key)]
    if biases:
        raise CheckpointError(f"{where}: {biases[0]} is not supported; ModernBERT's layers have no biases.")
    common = {"hidden_act": config.get("hidden_activation", "gelu"), "layer_norm_eps": config.get("norm_eps", 1e-5)}
    sizes = common_sizes({**config, **common}, where, position_offset=0) | {"token_types": 0, "positions": 0}
    every = int(config.get("global_attn_every_n_layers", 3))
    kinds = config.get("layer_types") or [
        "sliding_attention" if index % every else "full_attention" for index in range(sizes["layers"])
    ]
    return EncoderSpec(
        "modernbert",
        "model",
        "ModernBertForSequenceClassification",
        **sizes,
        head=("head.dense", "classifier"),
        head_activation="gelu",
        head_norm="head.norm",
        layer_path="layers",
        word_embeddings="tok_embeddings",
        embedding_norm="norm",
        final_norm="final_norm",
        biases=False,
        norm_first=True,
        rotary=Rotary(
            _theta(config, "full_attention", 160_000.0, where), _theta(config, "sliding_attention", 10_000.0, where)
        ),
        local_layers=tuple(index for index, kind in enumerate(kinds) if kind == "sliding_attention"),
        local_reach=int(config.get("local_attention", 128)) // 2,
        names=NAMES,
    )


def _theta(config: Mapping[str, Any], kind: str, usual: float, where: str) -> float:
    """Return the rotation base of a kind of layer; older configs have one key for each kind."""
    found = (config.get("rope_parameters") or {}).get(kind) or {}
    older = config.get("global_rope_theta" if kind == "full_attention" else "local_rope_theta")
    if found.get("rope_type", "default") != "default":
        raise CheckpointError(f"{where}: rope_type {found['rope_type']!r} is not supported, only 'default'.")
    return float(found.get("rope_theta") or older or usual)
