"""What a runtime must know of an encoder: sizes, conventions and the names of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cappy.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class LayerNames:
    """Names of one layer's weights, without the layer's prefix and without `.weight` or `.bias`."""

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    intermediate: str = "intermediate.dense"
    output: str = "output.dense"
    output_norm: str = "output.LayerNorm"


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """Sizes and conventions of an encoder, enough to run it from its weights alone.

    `prefix` stands before the encoder's weights, `position_offset` is the position id of the first token, `max_tokens`
    is how many tokens a pair may have (special tokens included), `token_types` and `relative_buckets` are 0 where a
    family has none, `embedding_width` differs from `hidden` where embeddings are projected. `head` names the dense
    layer and the output that turn a hidden state into the score, with `head_activation` between them.
    """

    family: str
    prefix: str
    sequence_class: str
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    token_types: int
    max_tokens: int
    position_offset: int
    norm_eps: float
    embedding_width: int
    head: tuple[str, str]
    cls_token: str = "[CLS]"
    sep_token: str = "[SEP]"
    double_separator: bool = False
    head_activation: str = "tanh"
    relative_buckets: int = 0
    names: LayerNames = LayerNames()

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    def layer(self, index: int) -> str:
        """Return the prefix of the weights of layer `index`."""
        return f"{self.prefix}.encoder.layer.{index}."

    @property
    def embeddings(self) -> str:
        """Prefix of the embedding weights."""
        return f"{self.prefix}.embeddings."

    @property
    def embedding_tables(self) -> dict[str, int]:
        """Kinds of embeddings that are added up, with the rows of each table."""
        tables = {"word": self.vocabulary, "position": self.max_tokens + self.position_offset}
        return tables | ({"token_type": self.token_types} if self.token_types else {})

    @property
    def projection(self) -> str | None:
        """Name of the dense layer from embeddings to hidden states; None where their widths are equal."""
        return f"{self.prefix}.embeddings_project" if self.embedding_width != self.hidden else None

    @property
    def relative_bias(self) -> str:
        """Name of the table of relative-position biases [buckets, heads]."""
        return f"{self.prefix}.encoder.relative_attention_bias.weight"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every weight a checkpoint of this kind must hold."""
        d, inner, width = self.hidden, self.intermediate, self.embedding_width
        names: dict[str, tuple[int, ...]] = {
            f"{self.embeddings}{kind}_embeddings.weight": (rows, width) for kind, rows in self.embedding_tables.items()
        }
        norms = {f"{self.embeddings}LayerNorm": width}
        dense = {self.projection: (d, width)} if self.projection else {}
        for index in range(self.layers):
            at, name = self.layer(index), self.names
            square = (name.query, name.key, name.value, name.attention_output)
            dense |= {f"{at}{one}": (d, d) for one in square}
            dense |= {f"{at}{name.intermediate}": (inner, d), f"{at}{name.output}": (d, inner)}
            norms |= {f"{at}{name.attention_norm}": d, f"{at}{name.output_norm}": d}
        dense |= {self.head[0]: (d, d), self.head[1]: (1, d)}
        for one, shape in dense.items():
            names |= {f"{one}.weight": shape, f"{one}.bias": shape[:1]}
        for one, size in norms.items():
            names |= {f"{one}.weight": (size,), f"{one}.bias": (size,)}
        if self.relative_buckets:
            names[self.relative_bias] = (self.relative_buckets, self.heads)
        return names


def common_sizes(config: Mapping[str, Any], where: str, position_offset: int) -> dict[str, Any]:
    """Read the sizes that all families write alike into `config.json`, as arguments of `EncoderSpec`.

    Raises:
        CheckpointError: the activation or the position scheme is one we cannot run.
        KeyError, TypeError, ValueError: a size is missing or garbled.

    """
    activation = config.get("hidden_act", "gelu")
    if activation != "gelu":
        raise CheckpointError(f"{where}: hidden_act {activation!r} is not supported, only 'gelu'.")
    scheme = config.get("position_embedding_type", "absolute")
    if scheme not in ("absolute", None):
        raise CheckpointError(f"{where}: position_embedding_type {scheme!r} is not supported, only 'absolute'.")
    hidden = int(config["hidden_size"])
    return {
        "hidden": hidden,
        "layers": int(config["num_hidden_layers"]),
        "heads": int(config["num_attention_heads"]),
        "intermediate": int(config["intermediate_size"]),
        "vocabulary": int(config["vocab_size"]),
        "token_types": int(config.get("type_vocab_size", 2)),
        "max_tokens": int(config["max_position_embeddings"]) - position_offset,
        "position_offset": position_offset,
        "norm_eps": float(config.get("layer_norm_eps", 1e-12)),
        "embedding_width": hidden,
    }
