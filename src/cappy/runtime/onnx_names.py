"""Groups of value names that `onnx_graph` passes between its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

from onnx import TensorProto

from cappy.runtime.onnx_builder import Graph


@dataclass(frozen=True, slots=True)
class Rows:
    """Names of the inputs that spread packed tokens over padded rows."""

    index: str
    bias: str
    inverse: str

    @classmethod
    def declare(cls, graph: Graph, name: str) -> Rows:
        """Declare the inputs."""
        index = graph.input(f"{name}_index", 2)
        bias = graph.input(f"{name}_bias", 2, TensorProto.FLOAT)
        return cls(index, graph.add("Unsqueeze", [bias, graph.ints(1, 2)]), graph.input(f"{name}_inverse", 1))


@dataclass(frozen=True, slots=True)
class Biases:
    """Names of what is added to logits in global and local layers; empty if there is nothing."""

    everywhere: str
    local: str

    def of(self, local: bool) -> str:
        """Return the name for a local or a global layer."""
        return self.local if local else self.everywhere


@dataclass(frozen=True, slots=True)
class Queries:
    """Names of the inputs that place query tokens in their segments (`own`) and relative to their prefix (`row`).

    `own` and `row` are [rows, longest] indices into packed queries, with the inverse of each. `own_of_row`
    [rows, longest] maps a place relative to the prefix to the place in the flattened segments. `own_bias` and
    `row_bias` are added to the logits of the two parts.
    """

    own: str
    own_inverse: str
    own_bias: Biases
    row: str = ""
    row_inverse: str = ""
    own_of_row: str = ""
    row_bias: Biases = field(default_factory=lambda: Biases("", ""))


@dataclass(frozen=True, slots=True)
class Operand:
    """Tokens to be multiplied by weights: unchanged, or quantised with a scale per token."""

    tokens: str
    rounded: str = ""
    scale: str = ""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What candidates need of their instructions in addition to keys and values; the same in every layer.

    `columns` [prefixes, heads, longest, 2] complete the keys. `key` [prefixes, heads, lanes, head size + 2] and `value`
    [prefixes, heads, lanes, head size] represent the candidate's own part, followed by masked keys; see
    `Attention.attend_behind`.
    """

    rows: Rows
    columns: str
    key: str
    value: str
