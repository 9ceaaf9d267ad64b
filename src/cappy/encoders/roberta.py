"""RoBERTa (Liu et al., 2019), XLM-RoBERTa and CamemBERT: positions start after the padding id; two separators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cappy.encoders.spec import EncoderSpec, common_sizes

MODEL_TYPES = ("roberta", "xlm-roberta", "camembert")


def read(config: Mapping[str, Any], where: str) -> EncoderSpec:
    """Read the spec from a `config.json`; the default padding id is 1."""
    return EncoderSpec(
        "roberta",
        "roberta",
        "RobertaForSequenceClassification",
        **common_sizes(config, where, position_offset=int(config.get("pad_token_id", 1)) + 1),
        head=("classifier.dense", "classifier.out_proj"),
        cls_token="<s>",
        sep_token="</s>",
        double_separator=True,
    )
