"""What a checkpoint's `config.json` may say besides its encoder: layout, precision, labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cappy.errors import CheckpointError

PRECISIONS = ("fp32", "int8")
"""What a checkpoint may name as the precision that it ships with."""


def require_one_label(config: Mapping[str, Any], where: str) -> None:
    """Refuse a checkpoint that does not score with a single number.

    Raises:
        CheckpointError: the checkpoint has another number of labels than one.

    """
    labels = config.get("num_labels")
    if labels is None:
        names = config.get("id2label")
        labels = len(names) if isinstance(names, Mapping) else 2  # Hugging Face's default
    if labels != 1:
        raise CheckpointError(f"{where}: the checkpoint has {labels} labels, but a scorer has exactly one output.")
