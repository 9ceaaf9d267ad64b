"""An encoder as an ONNX graph over packed tokens: the computation of `torch_encoder`, without torch.

The graph contains no weights, only their names. The session takes them from the checkpoint's safetensors file, so one
file serves every runtime and precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onnx import ModelProto, TensorProto

from cappy.encoders.spec import EncoderSpec
from cappy.runtime.onnx_attention import Attention
from cappy.runtime.onnx_builder import Graph
from cappy.runtime.onnx_names import Biases, Operand, Queries, Rows
from cappy.runtime.onnx_products import Products


class EncoderGraph:
    """Builds the graph of one encoder in one layout and precision."""

    def __init__(
        self,
        spec: EncoderSpec,
        layout: str,
        precision: str,
        half_tables: bool = False,
        half_products: bool = False,
        lanes: int = 1,
    ) -> None:
        """Start a graph.

        `precision` is `fp32` or `int8`. `half_tables` stores embeddings in float16, `half_products` the matrices of the
        encoder layers. `lanes`: rows of keys come in multiples of this.
        """
        self.spec, self.layout, self.precision = spec, layout, precision
        self.table_type, product_type = (
            TensorProto.FLOAT16 if half else TensorProto.FLOAT for half in (half_tables, half_products)
        )
        self.graph = Graph()
        self.products = Products(self.graph, spec, precision, product_type)
        self.attention = Attention(self.graph, spec, lanes)

    def build_kind(self, kind: str | tuple[int, ...]) -> ModelProto:
        """Return the graph of `scores`, the `remembering` graph, or the graph of the named layers' mean states."""
        if isinstance(kind, tuple):
            return self.build_means(kind)
        return self.build_remembering() if kind == "remembering" else self.build()

    def build(self) -> ModelProto:
        """Return the scoring graph: packed tokens and their indices in, one score per segment out."""
        if self.layout == "joint":
            return self.graph.model(self._head(self._joint()))
        contexts = self._contexts("prefix")
        return self.graph.model(self._head(self._shared(contexts, Rows.declare(self.graph, "prefix"))))

    def build_remembering(self) -> ModelProto:
        """Return the graph of the shared layout that takes some instructions' keys and values and returns the others'.

        Inputs named `fresh_…` are the instructions to encode. `context` [tokens, 2 * layers * hidden] holds the keys
        and values of the others, from the output `contexts` of earlier runs. `prefix_…` index both, cached ones first.
        """
        fresh = self._contexts("fresh")
        scores = self._head(self._shared(self._joined_contexts(fresh), Rows.declare(self.graph, "prefix")))
        new = self.graph.add("Concat", [part for pair in fresh for part in pair], axis=1)
        return self.graph.model(scores, more={"contexts": (new, 2)})

    def _head(self, x: str) -> str:
        """Map hidden states of the scored tokens [segments, hidden] to scores [segments]."""
        if self.spec.last_norm:
            x = self.products.norm(x, self.spec.last_norm, self.spec.hidden)
        dense, out = self.spec.head
        activation = {"tanh": "Tanh", "gelu": "Gelu"}[self.spec.head_activation]
        hidden = self.graph.add(activation, [self.products.plain_dense(x, dense, self.spec.hidden, self.spec.hidden)])
        if self.spec.head_norm:
            hidden = self.products.norm(hidden, self.spec.head_norm, self.spec.hidden)
        # Not a matrix product: OpenVINO would round the scores themselves to bfloat16, and different answers would tie.
        weight, bias = self.graph.weight(f"{out}.weight", (1, self.spec.hidden)), self.graph.weight(f"{out}.bias", (1,))
        summed = self.graph.add("ReduceSum", [self.graph.add("Mul", [hidden, weight]), self.graph.ints(1)], keepdims=0)
        return str(self.graph.add("Add", [summed, bias]))

    def build_means(self, layers: Sequence[int]) -> ModelProto:
        """Return the graph of mean states: packed tokens of texts encoded alone in, one mean per text out.

        `layers` count from 1, ascending: [texts, layers * hidden]. `segment_share` [texts, longest] is one over the
        text's length at each of its tokens.
        """
        graph, x = self.graph, self._embed("segment")
        rows = Rows.declare(graph, "own")
        tokens, turns = (
            Queries(rows.index, rows.inverse, self.attention.biases("own", rows)),
            self.attention.rotations("segment"),
        )
        share = graph.add("Unsqueeze", [graph.input("segment_share", 2, TensorProto.FLOAT), graph.ints(1)])
        means = []
        for index in range(max(layers)):
            query, key, value = self._queries_keys_values(x, index, turns, None)
            x = self._finish_layer(x, self.attention.attend_own(query, key, value, tokens, rows, index), index)
            if index + 1 == self.spec.layers and self.spec.last_norm:
                x = self.products.norm(x, self.spec.last_norm, self.spec.hidden)
            if index + 1 in layers:
                means.append(graph.add("MatMul", [share, graph.take(x, rows.index)]))
        joined = graph.add("Concat", means, axis=2) if len(means) > 1 else means[0]
        return graph.model(graph.reshape(joined, -1, len(means) * self.spec.hidden), "means", 2)

    def _joint(self) -> str:
        """Return hidden states of the scored tokens [segments, hidden], each segment encoded alone."""
        x = self._embed("segment")
        own, tokens, firsts, starts = self._segments()
        turns = self.attention.rotations("segment")
        for index in range(self.spec.layers):
            last = index == self.spec.layers - 1
            query, key, value = self._queries_keys_values(x, index, turns, starts if last else None)
            attended = self.attention.attend_own(query, key, value, firsts if last else tokens, own, index)
            x = self._finish_layer(self.graph.take(x, starts) if last else x, attended, index)
        return x

    def _shared(self, contexts: Sequence[tuple[str, str]], rows: Rows) -> str:
        """Return hidden states of the scored tokens [segments, hidden], each segment attending to its instruction.

        `contexts` are the instructions' keys and values [tokens, hidden] of every layer, `rows` their places.
        """
        x = self._embed("segment")
        own, tokens, firsts, starts = self._segments()
        turns, prefix = self.attention.rotations("segment"), self.attention.prefix_context(rows)
        for index, prefix_kv in enumerate(contexts):
            last = index == self.spec.layers - 1  # the last layer is only read at the scored tokens
            query, *own_kv = self._queries_keys_values(x, index, turns, starts if last else None)
            places = firsts if last else tokens
            attended = self.attention.attend_behind(
                query, (own_kv[0], own_kv[1]), places, own, prefix_kv, prefix, index
            )
            x = self._finish_layer(self.graph.take(x, starts) if last else x, attended, index)
        return x

    def _contexts(self, name: str) -> list[tuple[str, str]]:
        """Return keys and values [tokens, hidden] of every layer for the instructions whose inputs are named `name`."""
        x, rows, turns = self._embed(name), Rows.declare(self.graph, name), self.attention.rotations(name)
        whole, found = Queries(rows.index, rows.inverse, self.attention.biases(name, rows)), []
        for index in range(self.spec.layers):
            last = index == self.spec.layers - 1  # of the last layer only keys and values are read
            query, key, value = self._queries_keys_values(x, index, turns, "none" if last else None)
            found.append((key, value))
            if not last:
                x = self._finish_layer(x, self.attention.attend_own(query, key, value, whole, rows, index), index)
        return found

    def _joined_contexts(self, fresh: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return keys and values of every layer: those of the input `context`, then `fresh` ones."""
        graph, parts = self.graph, 2 * self.spec.layers
        given = graph.add(
            "Split",
            [graph.input("context", 2, TensorProto.FLOAT), graph.ints(*[self.spec.hidden] * parts)],
            outputs=parts,
            axis=1,
        )
        flat = [part for pair in fresh for part in pair]
        joined = [graph.add("Concat", [old, new], axis=0) for old, new in zip(given, flat, strict=True)]
        return list(zip(joined[::2], joined[1::2], strict=True))

    def _segments(self) -> tuple[Rows, Queries, Queries, str]:
        """Declare the places of all tokens, and of the scored first tokens, the last layer's only queries."""
        graph = self.graph
        own = Rows.declare(graph, "own")
        starts, segments = graph.input("starts", 1), graph.input("segments", 1)
        # Duplicated: a single row of queries would use another multiplication routine, which sums keys in groups, so
        # that a candidate's rounding would depend on the padding of its batch.
        once = graph.add("Unsqueeze", [segments, graph.ints(1)])
        first_own, places_of_first = (
            graph.add("Concat", [once, once], axis=1),
            graph.add("Mul", [segments, graph.ints(2)]),
        )
        own_bias = self.attention.biases("own", own)
        both = [  # both copies are at place 0
            graph.add("Gather", [bias, graph.ints(0, 0)], axis=2)
            for bias in dict.fromkeys((own_bias.everywhere, own_bias.local))
        ]
        first_bias = Biases(both[0], both[-1])
        tokens = Queries(own.index, own.inverse, own_bias)
        firsts = Queries(first_own, places_of_first, first_bias)
        if self.layout == "shared":
            tokens, firsts = self._behind(tokens, "token"), self._behind(firsts, "first")
        return own, tokens, firsts, starts

    def _behind(self, places: Queries, name: str) -> Queries:
        """Declare the places of queries relative to their prefix."""
        graph = self.graph
        return replace(
            places,
            row=graph.input(f"{name}_row", 2),
            row_inverse=graph.input(f"{name}_row_inverse", 1),
            own_of_row=graph.input(f"{name}_own_of_row", 2),
            row_bias=self.attention.biases(name),
        )

    def _embed(self, name: str) -> str:
        """Map packed ids, positions and types to normalised embeddings [tokens, hidden]."""
        graph, spec = self.graph, self.spec
        parts, width = [], spec.embedding_width
        for part, (table_name, rows) in spec.embedding_tables.items():
            table = graph.weight(table_name, (rows, width), self.table_type)
            found = graph.take(table, graph.input(f"{name}_{part}", 1))
            parts.append(graph.add("Cast", [found], to=TensorProto.FLOAT))
        total = parts[0]
        for more in parts[1:]:
            total = graph.add("Add", [total, more])
        normed = self.products.norm(total, spec.embeddings_norm, width)
        return self.products.plain_dense(normed, spec.projection, width, spec.hidden) if spec.projection else normed

    def _queries_keys_values(
        self, x: str, index: int, turns: dict[float, tuple[str, str]], only: str | None
    ) -> tuple[str, str, str]:
        """Project packed tokens [tokens, hidden]; `only` names the query tokens ("none": no queries).

        Queries are already divided by the square root of the head size, through their weights.
        """
        d, names, layer = self.spec.hidden, self.spec.names, self.spec.layer(index)
        turn = turns.get(self.spec.theta(index))
        if self.spec.norm_first and self.spec.attention_norm(index):
            x = self.products.norm(x, self.spec.attention_norm(index), d)
        whole = self.products.operand(x)
        key, value = (self.products.dense(whole, layer + name, d, d) for name in (names.key, names.value))
        key = self.attention.turned(key, turn)
        if only == "none":
            return "", key, value
        asking = whole if only is None else self.products.operand(self.graph.take(x, only))
        return self.attention.turned(self.products.dense(asking, layer + names.query, d, d), turn, only), key, value

    def _finish_layer(self, x: str, attended: str, index: int) -> str:
        """Apply attention output, residuals and the feed-forward part: [tokens, hidden] to [tokens, hidden]."""
        d, inner = self.spec.hidden, self.spec.intermediate
        layer, names = self.spec.layer(index), self.spec.names
        if self.spec.norm_first:
            x = self.graph.add(
                "Add", [x, self.products.dense(self.products.operand(attended), layer + names.attention_output, d, d)]
            )
            grown = self._grown(self.products.operand(self.products.norm(x, layer + names.output_norm, d)), layer)
            return str(
                self.graph.add(
                    "Add", [x, self.products.dense(self.products.operand(grown), layer + names.output, inner, d)]
                )
            )
        x = self._residual(x, attended, layer + names.attention_output, self.spec.attention_norm(index), d)
        grown = self._grown(self.products.operand(x), layer)
        return self._residual(x, grown, layer + names.output, layer + names.output_norm, inner)

    def _grown(self, x: Operand, layer: str) -> str:
        """Return the inner activations of the feed-forward part [tokens, intermediate], gated if the family does so."""
        d, inner, names = self.spec.hidden, self.spec.intermediate, self.spec.names
        grown = self.graph.add("Gelu", [self.products.dense(x, layer + names.intermediate, d, inner)])
        if not names.gate:
            return str(grown)
        return str(self.graph.add("Mul", [grown, self.products.dense(x, layer + names.gate, d, inner)]))

    def _residual(self, x: str, inner: str, dense: str, norm: str, width: int) -> str:
        """Return norm(x + dense(inner)), in separate steps: the fused operator takes six times as long on a CPU."""
        total = self.graph.add(
            "Add", [self.products.dense(self.products.operand(inner), dense, width, self.spec.hidden), x]
        )
        return self.products.norm(total, norm, self.spec.hidden)
