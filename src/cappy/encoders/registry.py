"""Finding the family of a `config.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cappy.encoders import bert, electra, modernbert, mpnet, roberta
from cappy.encoders.spec import EncoderSpec
from cappy.errors import CheckpointError

_READERS: dict[str, Callable[[Mapping[str, Any], str], EncoderSpec]] = {
    kind: family.read for family in (bert, electra, modernbert, mpnet, roberta) for kind in family.MODEL_TYPES
}
_SCORING: dict[str, Mapping[str, Any]] = dict.fromkeys(modernbert.MODEL_TYPES, modernbert.SCORING)


def scoring_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an encoder's config with the entries of a scorer that starts from it."""
    return {**config, **_SCORING.get(str(config.get("model_type")), {})}


def encoder_spec(config: Mapping[str, Any], where: str) -> EncoderSpec:
    """Read an `EncoderSpec` from a `config.json`; `where` names the checkpoint in errors.

    Raises:
        CheckpointError: the architecture, activation or position scheme is not supported.

    """
    kind = config.get("model_type")
    read = _READERS.get(str(kind))
    if read is None:
        raise CheckpointError(
            f"{where}: model_type {kind!r} is not supported; Cappy runs {', '.join(sorted(_READERS))} checkpoints."
        )
    try:
        spec = read(config, where)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: an encoder size in config.json is missing or invalid ({error}).") from error
    sizes = (spec.hidden, spec.layers, spec.heads, spec.intermediate, spec.vocabulary, spec.embedding_width)
    if min(sizes) < 1 or spec.hidden % spec.heads:
        raise CheckpointError(f"{where}: the encoder sizes in config.json are impossible.")
    return spec
