"""What a checkpoint's `config.json` says about its encoder, and the names of its weights.

The weights are those of Hugging Face's `BertForSequenceClassification` and
`RobertaForSequenceClassification` (XLM-RoBERTa and CamemBERT share the latter's shape).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cappy.errors import CheckpointError

LAYOUTS = ("shared", "joint")
PRECISIONS = ("fp32", "int8")
TRUNCATION_SIDES = ("left", "right", "middle")
_FAMILIES = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta", "camembert": "roberta"}
_ACTIVATIONS = ("gelu",)


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """Sizes and conventions of an encoder, enough to run it from its weights alone.

    `position_offset` is the position id of the first token (RoBERTa starts behind its padding id);
    `max_tokens` is how many tokens a pair may have, special tokens included.
    """

    family: str
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    token_types: int
    max_tokens: int
    position_offset: int
    norm_eps: float

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    def layer(self, index: int) -> str:
        """Return the prefix of the weights of layer `index`."""
        return f"{self.family}.encoder.layer.{index}."

    @property
    def embeddings(self) -> str:
        """Prefix of the embedding weights."""
        return f"{self.family}.embeddings."

    @property
    def head(self) -> tuple[str, str]:
        """Names (without `.weight`) of the two dense layers that turn a hidden state into the score."""
        if self.family == "bert":
            return "bert.pooler.dense", "classifier"
        return "classifier.dense", "classifier.out_proj"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every weight a checkpoint of this kind must hold."""
        d, inner = self.hidden, self.intermediate
        rows = self.max_tokens + self.position_offset
        names: dict[str, tuple[int, ...]] = {
            f"{self.embeddings}word_embeddings.weight": (self.vocabulary, d),
            f"{self.embeddings}position_embeddings.weight": (rows, d),
            f"{self.embeddings}token_type_embeddings.weight": (self.token_types, d),
            f"{self.embeddings}LayerNorm.weight": (d,),
            f"{self.embeddings}LayerNorm.bias": (d,),
        }
        dense = {"attention.self.query": (d, d), "attention.self.key": (d, d), "attention.self.value": (d, d)}
        dense |= {"attention.output.dense": (d, d), "intermediate.dense": (inner, d), "output.dense": (d, inner)}
        for index in range(self.layers):
            for name, shape in dense.items():
                names[f"{self.layer(index)}{name}.weight"] = shape
                names[f"{self.layer(index)}{name}.bias"] = shape[:1]
            for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
                names[f"{self.layer(index)}{norm}.weight"] = (d,)
                names[f"{self.layer(index)}{norm}.bias"] = (d,)
        dense_head, out_head = self.head
        names |= {f"{dense_head}.weight": (d, d), f"{dense_head}.bias": (d,)}
        names |= {f"{out_head}.weight": (1, d), f"{out_head}.bias": (1,)}
        return names


def encoder_spec(config: Mapping[str, Any], where: str) -> EncoderSpec:
    """Read an `EncoderSpec` from a `config.json`; `where` names the checkpoint in errors.

    Raises:
        CheckpointError: the architecture, activation or position scheme is one we cannot run.

    """
    kind = config.get("model_type")
    family = _FAMILIES.get(str(kind))
    if family is None:
        raise CheckpointError(
            f"{where}: model_type {kind!r} is not supported; Cappy runs {', '.join(sorted(_FAMILIES))} checkpoints."
        )
    activation = config.get("hidden_act", "gelu")
    if activation not in _ACTIVATIONS:
        raise CheckpointError(f"{where}: hidden_act {activation!r} is not supported, only 'gelu'.")
    scheme = config.get("position_embedding_type", "absolute")
    if scheme not in ("absolute", None):
        raise CheckpointError(f"{where}: position_embedding_type {scheme!r} is not supported, only 'absolute'.")
    try:
        # RoBERTa's positions start behind its padding id, which is 1 unless the config says otherwise.
        offset = int(config.get("pad_token_id", 1)) + 1 if family == "roberta" else 0
        spec = EncoderSpec(
            family=family,
            hidden=int(config["hidden_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            intermediate=int(config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            token_types=int(config.get("type_vocab_size", 2)),
            max_tokens=int(config["max_position_embeddings"]) - offset,
            position_offset=offset,
            norm_eps=float(config.get("layer_norm_eps", 1e-12)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: config.json lacks or garbles an encoder size ({error}).") from error
    if min(spec.hidden, spec.layers, spec.heads, spec.intermediate, spec.vocabulary) < 1 or spec.hidden % spec.heads:
        raise CheckpointError(f"{where}: config.json gives sizes that no encoder can have.")
    return spec


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
