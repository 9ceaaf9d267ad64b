"""The specification of an encoder for runtimes: sizes, conventions and weight names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cappy.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class LayerNames:
    """Names of one layer's weights, without the layer's prefix and without `.weight` or `.bias`.

    If one weight contains several maps, "NAME#0" is the first part of its rows, "NAME#1" the next. `gate` is empty if
    the feed-forward part has none.
    """

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    intermediate: str = "intermediate.dense"
    output: str = "output.dense"
    output_norm: str = "output.LayerNorm"
    gate: str = ""

    @property
    def inner(self) -> tuple[str, ...]:
        """The maps into the feed-forward part."""
        return (self.intermediate, self.gate) if self.gate else (self.intermediate,)


@dataclass(frozen=True, slots=True)
class Rotary:
    """Bases of rotary position embeddings (Su et al., 2021) in global and local layers."""

    everywhere: float
    local: float


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """Sizes and conventions of an encoder, enough to run it from its weights alone.

    `prefix` precedes the names of the encoder's weights. `position_offset` is the position id of the first token,
    `max_tokens` the maximum length of a pair (special tokens included). `token_types` and `relative_buckets` are 0 for
    families without them. `embedding_width` differs from `hidden` if embeddings are projected. `head` names the dense
    layer and the output that map a hidden state to the score, with `head_activation` and `head_norm` in between.

    `positions` is the number of rows of the position table, 0 if positions are rotations (`rotary`). With `norm_first`
    a layer normalises its input rather than the residual sum; the first layer does not normalise before attention, and
    `final_norm` normalises the last output. Tokens of `local_layers` attend only within `local_reach` positions.
    Without `biases`, no dense layer and no normalisation has a bias, except the output.
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
    positions: int
    position_offset: int
    norm_eps: float
    embedding_width: int
    head: tuple[str, str]
    cls_token: str = "[CLS]"
    sep_token: str = "[SEP]"
    double_separator: bool = False
    head_activation: str = "tanh"
    head_norm: str = ""
    relative_buckets: int = 0
    layer_path: str = "encoder.layer"
    word_embeddings: str = "word_embeddings"
    embedding_norm: str = "LayerNorm"
    final_norm: str = ""
    biases: bool = True
    norm_first: bool = False
    rotary: Rotary | None = None
    local_layers: tuple[int, ...] = ()
    local_reach: int = 0
    names: LayerNames = LayerNames()

    @property
    def head_size(self) -> int:
        """Width of an attention head."""
        return self.hidden // self.heads

    def layer(self, index: int) -> str:
        """Return the prefix of the weights of layer `index`."""
        return f"{self.prefix}.{self.layer_path}.{index}."

    @property
    def embedding_tables(self) -> dict[str, tuple[str, int]]:
        """Kinds of embeddings that are summed, with the name of each table and its number of rows."""
        at = f"{self.prefix}.embeddings."
        tables = {
            "word": (f"{at}{self.word_embeddings}.weight", self.vocabulary),
            "position": (f"{at}position_embeddings.weight", self.positions),
            "token_type": (f"{at}token_type_embeddings.weight", self.token_types),
        }
        return {kind: table for kind, table in tables.items() if table[1]}

    @property
    def embeddings_norm(self) -> str:
        """Name of the embedding normalisation."""
        return f"{self.prefix}.embeddings.{self.embedding_norm}"

    @property
    def last_norm(self) -> str:
        """Name of the normalisation after the last layer; empty if there is none."""
        return f"{self.prefix}.{self.final_norm}" if self.final_norm else ""

    def attention_norm(self, index: int) -> str:
        """Return the name of a layer's attention normalisation; empty for the first layer if `norm_first`."""
        return "" if self.norm_first and index == 0 else f"{self.layer(index)}{self.names.attention_norm}"

    def is_local(self, index: int) -> bool:
        """Tell whether a layer uses local attention."""
        return index in self.local_layers

    def theta(self, index: int) -> float:
        """Return the base of a layer's rotations; 0 without rotary positions."""
        if not self.rotary:
            return 0
        return self.rotary.local if self.is_local(index) else self.rotary.everywhere

    @property
    def projection(self) -> str | None:
        """Name of the dense layer from embeddings to hidden states; None if their widths are equal."""
        return f"{self.prefix}.embeddings_project" if self.embedding_width != self.hidden else None

    @property
    def relative_bias(self) -> str:
        """Name of the table of relative-position biases [buckets, heads]."""
        return f"{self.prefix}.encoder.relative_attention_bias.weight"

    @property
    def rotation_bases(self) -> list[float]:
        """The distinct rotation bases of the layers; empty without rotary positions."""
        return sorted({self.theta(index) for index in range(self.layers)} - {0})

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every weight of a checkpoint."""
        d, inner, width = self.hidden, self.intermediate, self.embedding_width
        shapes: dict[str, tuple[int, ...]] = {name: (rows, width) for name, rows in self.embedding_tables.values()}
        norms = {self.embeddings_norm: width}
        dense = [(self.projection, (d, width))] if self.projection else []
        for index in range(self.layers):
            at, name = self.layer(index), self.names
            dense += [(f"{at}{one}", (d, d)) for one in (name.query, name.key, name.value, name.attention_output)]
            dense += [(f"{at}{one}", (inner, d)) for one in name.inner]
            dense.append((f"{at}{name.output}", (d, inner)))
            norms |= {one: d for one in (self.attention_norm(index), f"{at}{name.output_norm}") if one}
        norms |= {one: d for one in (self.last_norm, self.head_norm) if one}
        dense += [(self.head[0], (d, d)), (self.head[1], (1, d))]
        for one, (rows, columns) in dense:
            stem, _, part = one.partition("#")
            whole = rows * (1 + int(part or 0))  # the last part determines the number of rows
            shapes[f"{stem}.weight"] = (whole, columns)
            if self.biases or one == self.head[1]:
                shapes[f"{stem}.bias"] = (whole,)
        for one, size in norms.items():
            shapes[f"{one}.weight"] = (size,)
            if self.biases:
                shapes[f"{one}.bias"] = (size,)
        if self.relative_buckets:
            shapes[self.relative_bias] = (self.relative_buckets, self.heads)
        return shapes


def common_sizes(config: Mapping[str, Any], where: str, position_offset: int) -> dict[str, Any]:
    """Read the sizes that all families name alike in `config.json`, as arguments of `EncoderSpec`.

    Raises:
        CheckpointError: the activation or the position scheme is not supported.
        KeyError, TypeError, ValueError: a size is missing or invalid.

    """
    activation = config.get("hidden_act", "gelu")
    if activation != "gelu":
        raise CheckpointError(f"{where}: hidden_act {activation!r} is not supported, only 'gelu'.")
    scheme = config.get("position_embedding_type", "absolute")
    if scheme not in ("absolute", None):
        raise CheckpointError(f"{where}: position_embedding_type {scheme!r} is not supported, only 'absolute'.")
    hidden, positions = int(config["hidden_size"]), int(config["max_position_embeddings"])
    return {
        "hidden": hidden,
        "layers": int(config["num_hidden_layers"]),
        "heads": int(config["num_attention_heads"]),
        "intermediate": int(config["intermediate_size"]),
        "vocabulary": int(config["vocab_size"]),
        "token_types": int(config.get("type_vocab_size", 2)),
        "max_tokens": positions - position_offset,
        "positions": positions,
        "position_offset": position_offset,
        "norm_eps": float(config.get("layer_norm_eps", 1e-12)),
        "embedding_width": hidden,
    }
