"""BERT (Devlin et al., 2019): token types, positions from 0, a pooler before the output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cappy.encoders.spec import EncoderSpec, common_sizes

MODEL_TYPES = ("bert",)


def read(config: Mapping[str, Any], where: str) -> EncoderSpec:
    """Read the spec from a `config.json`."""
    sizes = common_sizes(config, where, position_offset=0)
    head = ("bert.pooler.dense", "classifier")
    return EncoderSpec("bert", "bert", "BertForSequenceClassification", **sizes, head=head)
