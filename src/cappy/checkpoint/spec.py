"""Entries of a checkpoint's `config.json` other than its encoder: layout, precision, labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cappy.errors import CheckpointError

SHIPPED_PRECISIONS = ("fp32", "int8")
"""Allowed values of a checkpoint's shipped precision."""


def require_one_label(config: Mapping[str, Any], where: str) -> None:
    """Refuse a checkpoint that does not have exactly one output.

    Raises:
        CheckpointError: the checkpoint has more or fewer labels than one.

    """
    labels = config.get("num_labels")
    if labels is None:
        names = config.get("id2label")
        labels = len(names) if isinstance(names, Mapping) else 2  # Hugging Face's default
    if labels != 1:
        raise CheckpointError(f"{where}: the checkpoint has {labels} labels, but a scorer has exactly one output.")
