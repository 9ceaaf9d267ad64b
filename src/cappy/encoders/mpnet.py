"""MPNet (Song et al., 2020): no token types, and relative-position biases that all layers share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cappy.encoders.spec import EncoderSpec, LayerNames, common_sizes

MODEL_TYPES = ("mpnet",)
NAMES = LayerNames(
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    attention_output="attention.attn.o",
    attention_norm="attention.LayerNorm",
)


def read(config: Mapping[str, Any], where: str) -> EncoderSpec:
    """Read the spec from a `config.json`; the padding id is always 1, as in transformers."""
    sizes = common_sizes(config, where, position_offset=2) | {"token_types": 0}
    return EncoderSpec(
        "mpnet",
        "mpnet",
        "MPNetForSequenceClassification",
        **sizes,
        head=("classifier.dense", "classifier.out_proj"),
        cls_token="<s>",
        sep_token="</s>",
        double_separator=True,
        relative_buckets=int(config.get("relative_attention_num_buckets", 32)),
        names=NAMES,
    )
