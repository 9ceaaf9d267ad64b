"""An encoder as an ONNX graph over packed tokens: the computation of `torch_encoder`, without torch.

The graph contains no weights, only their names. The session takes them from the checkpoint's safetensors file, so one
file serves every runtime and precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import ModelProto, TensorProto

from cappy.encoders.spec import EncoderSpec
from cappy.runtime.onnx_builder import MICROSOFT, Graph
from cappy.runtime.onnx_names import Biases, Operand, Prefix, Queries, Rows


class EncoderGraph:
    """Builds the graph of one encoder in one layout and precision."""

    def __init__(
        self, spec: EncoderSpec, layout: str, precision: str, half_tables: bool = False, half_products: bool = False
    ) -> None:
        """Start a graph.

        `precision` is `fp32` or `int8`. `half_tables` stores embeddings in float16, `half_products` the matrices of the
        encoder layers.
        """
        self.spec, self.layout, self.precision = spec, layout, precision
        self.table_type, self.product_type = (
            TensorProto.FLOAT16 if half else TensorProto.FLOAT for half in (half_tables, half_products)
        )
        self.graph = Graph()

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
            x = self._norm(x, self.spec.last_norm, self.spec.hidden)
        dense, out = self.spec.head
        activation = {"tanh": "Tanh", "gelu": "Gelu"}[self.spec.head_activation]
        hidden = self.graph.add(activation, [self._plain_dense(x, dense, self.spec.hidden, self.spec.hidden)])
        if self.spec.head_norm:
            hidden = self._norm(hidden, self.spec.head_norm, self.spec.hidden)
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
        tokens, turns = Queries(rows.index, rows.inverse, self._biases("own")), self._rotations("segment")
        share = graph.add("Unsqueeze", [graph.input("segment_share", 2, TensorProto.FLOAT), graph.ints(1)])
        means = []
        for index in range(max(layers)):
            query, key, value = self._queries_keys_values(x, index, turns, None)
            x = self._finish_layer(x, self._attend_own(query, key, value, tokens, rows, index), index)
            if index + 1 == self.spec.layers and self.spec.last_norm:
                x = self._norm(x, self.spec.last_norm, self.spec.hidden)
            if index + 1 in layers:
                means.append(graph.add("MatMul", [share, graph.take(x, rows.index)]))
        joined = graph.add("Concat", means, axis=2) if len(means) > 1 else means[0]
        return graph.model(graph.reshape(joined, -1, len(means) * self.spec.hidden), "means", 2)

    def _joint(self) -> str:
        """Return hidden states of the scored tokens [segments, hidden], each segment encoded alone."""
        x = self._embed("segment")
        own, tokens, firsts, starts = self._segments()
        turns = self._rotations("segment")
        for index in range(self.spec.layers):
            last = index == self.spec.layers - 1
            query, key, value = self._queries_keys_values(x, index, turns, starts if last else None)
            attended = self._attend_own(query, key, value, firsts if last else tokens, own, index)
            x = self._finish_layer(self.graph.take(x, starts) if last else x, attended, index)
        return x

    def _shared(self, contexts: Sequence[tuple[str, str]], rows: Rows) -> str:
        """Return hidden states of the scored tokens [segments, hidden], each segment attending to its instruction.

        `contexts` are the instructions' keys and values [tokens, hidden] of every layer, `rows` their places.
        """
        x = self._embed("segment")
        own, tokens, firsts, starts = self._segments()
        turns, prefix = self._rotations("segment"), self._prefix_context(rows)
        for index, prefix_kv in enumerate(contexts):
            last = index == self.spec.layers - 1  # the last layer is only read at the scored tokens
            query, *own_kv = self._queries_keys_values(x, index, turns, starts if last else None)
            places = firsts if last else tokens
            attended = self._attend_behind(query, (own_kv[0], own_kv[1]), places, own, prefix_kv, prefix, index)
            x = self._finish_layer(self.graph.take(x, starts) if last else x, attended, index)
        return x

    def _contexts(self, name: str) -> list[tuple[str, str]]:
        """Return keys and values [tokens, hidden] of every layer for the instructions whose inputs are named `name`."""
        x, rows, turns = self._embed(name), Rows.declare(self.graph, name), self._rotations(name)
        whole, found = Queries(rows.index, rows.inverse, self._biases(name)), []
        for index in range(self.spec.layers):
            last = index == self.spec.layers - 1  # of the last layer only keys and values are read
            query, key, value = self._queries_keys_values(x, index, turns, "none" if last else None)
            found.append((key, value))
            if not last:
                x = self._finish_layer(x, self._attend_own(query, key, value, whole, rows, index), index)
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
        own_bias = self._biases("own")
        both = [  # both copies are at place 0
            graph.add("Gather", [bias, graph.ints(0, 0)], axis=2) if bias else ""
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
            row_bias=self._biases(name),
        )

    def _prefix_context(self, rows: Rows) -> Prefix:
        """Prepare the parts of the completed keys and values that are the same in every layer."""
        graph, heads, size = self.graph, self.spec.heads, self.spec.head_size
        bias = graph.transpose(rows.bias, 0, 1, 3, 2)  # [prefixes, 1, longest, 1]
        columns = graph.add("Concat", [graph.add("Sub", [bias, bias]), bias], axis=3)
        tiled = graph.add("Tile", [columns, graph.ints(1, heads, 1, 1)])
        key, value = (np.zeros((1, heads, 1, size + more), dtype=np.float32) for more in (2, 1))
        key[..., size] = value[..., size] = 1
        count = graph.add("Shape", [rows.index], start=0, end=1)
        repeat = graph.add("Concat", [count, graph.ints(1, 1, 1)], axis=0)
        extra = (graph.add("Tile", [graph.constant(row), repeat]) for row in (key, value))
        return Prefix(rows, tiled, *extra)

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
        normed = self._norm(total, spec.embeddings_norm, width)
        return self._plain_dense(normed, spec.projection, width, spec.hidden) if spec.projection else normed

    def _norm(self, x: str, name: str, width: int) -> str:
        inputs = [x, self.graph.weight(f"{name}.weight", (width,))]
        if self.spec.biases:
            inputs.append(self.graph.weight(f"{name}.bias", (width,)))
        return str(self.graph.add("LayerNormalization", inputs, axis=-1, epsilon=self.spec.norm_eps))

    def _biases(self, name: str) -> Biases:
        """Declare the position biases of logits [rows, heads or 1, queries, keys] for both kinds of layer."""
        everywhere = self._bias(f"{name}_bucket") if self.spec.relative_buckets else ""
        if not self.spec.local_layers:
            return Biases(everywhere, everywhere)
        reach = self.graph.input(f"{name}_reach", 3, TensorProto.FLOAT)
        return Biases(everywhere, self.graph.add("Unsqueeze", [reach, self.graph.ints(1)]))

    def _bias(self, buckets: str) -> str:
        """Map an input of buckets [rows, queries, keys] to biases of logits [rows, heads, queries, keys].

        The bucket after the last one has bias 0, for keys without a position.
        """
        graph, spec = self.graph, self.spec
        table = graph.weight(spec.relative_bias, (spec.relative_buckets, spec.heads))
        nothing = graph.constant(np.zeros((1, spec.heads), dtype=np.float32))
        biases = graph.take(graph.add("Concat", [table, nothing], axis=0), graph.input(buckets, 3))
        return graph.transpose(biases, 0, 3, 1, 2)

    def _biased(self, logits: str, bias: str) -> str:
        return str(self.graph.add("Add", [logits, bias])) if bias else logits

    def _rotations(self, name: str) -> dict[float, tuple[str, str]]:
        """Declare cosines and sines of packed tokens' rotations [tokens, head size], by base."""
        return {
            base: (
                self.graph.input(f"{name}_cos_{base:g}", 2, TensorProto.FLOAT),
                self.graph.input(f"{name}_sin_{base:g}", 2, TensorProto.FLOAT),
            )
            for base in self.spec.rotation_bases
        }

    def _turned(self, x: str, turn: tuple[str, str] | None, only: str | None = None) -> str:
        """Rotate packed heads [tokens, hidden] by position; `only` names the tokens to which they belong."""
        if turn is None:
            return x
        graph, half = self.graph, self.spec.head_size // 2
        found = [graph.take(part, only) if only else part for part in turn]
        cos, sin = (graph.add("Unsqueeze", [part, graph.ints(1)]) for part in found)
        split = graph.reshape(x, -1, self.spec.heads, self.spec.head_size)
        first, second = graph.add("Split", [split, graph.ints(half, half)], outputs=2, axis=-1)
        crossed = graph.add("Concat", [graph.add("Neg", [second]), first], axis=-1)
        turned = graph.add("Add", [graph.add("Mul", [split, cos]), graph.add("Mul", [crossed, sin])])
        return graph.reshape(turned, -1, self.spec.hidden)

    def _queries_keys_values(
        self, x: str, index: int, turns: dict[float, tuple[str, str]], only: str | None
    ) -> tuple[str, str, str]:
        """Project packed tokens [tokens, hidden]; `only` names the query tokens ("none": no queries).

        Queries are already divided by the square root of the head size, through their weights.
        """
        d, names, layer = self.spec.hidden, self.spec.names, self.spec.layer(index)
        turn = turns.get(self.spec.theta(index))
        if self.spec.norm_first and self.spec.attention_norm(index):
            x = self._norm(x, self.spec.attention_norm(index), d)
        whole = self._operand(x)
        key, value = (self._dense(whole, layer + name, d, d) for name in (names.key, names.value))
        key = self._turned(key, turn)
        if only == "none":
            return "", key, value
        asking = whole if only is None else self._operand(self.graph.take(x, only))
        return self._turned(self._dense(asking, layer + names.query, d, d), turn, only), key, value

    def _operand(self, x: str) -> Operand:
        """Prepare tokens [tokens, width] for products.

        In int8 each token is scaled by its own largest value, so that its rounding does not depend on the batch.
        """
        graph = self.graph
        if self.precision == "fp32":
            return Operand(x)
        largest = graph.add("ReduceMax", [graph.add("Abs", [x]), graph.ints(-1)], keepdims=1)
        scale = graph.add("Max", [largest, graph.constant(np.array(1e-12, dtype=np.float32))])
        step = graph.constant(np.array(1 / 127, dtype=np.float32))
        middle = graph.constant(np.array(128, dtype=np.uint8))
        return Operand(x, graph.add("QuantizeLinear", [graph.add("Div", [x, scale]), step, middle]), scale)

    def _dense(self, x: Operand, name: str, width: int, out: int) -> str:
        """Apply an affine map from [tokens, width] to [tokens, out], including the bias."""
        product = self._product(x, name, width, out)
        if self.precision == "fp32" or not self.spec.biases:
            return product
        return str(self.graph.add("Add", [product, self.graph.weight(f"{name}.bias", (out,))]))

    def _plain_dense(self, x: str, name: str, width: int, out: int) -> str:
        """Apply an affine map in float32 at any precision; the head is small and decides the score."""
        weight = self.graph.weight(f"{name}.weight", (out, width))
        return self._gemm(x, weight, name, out)

    def _gemm(self, x: str, weight: str, name: str, out: int) -> str:
        inputs = [x, weight]
        if self.spec.biases or name == self.spec.head[1]:
            inputs.append(self.graph.weight(f"{name}.bias", (out,)))
        return str(self.graph.add("Gemm", inputs, transB=1))

    def _product(self, x: Operand, name: str, width: int, out: int) -> str:
        """Multiply by a weight: with its bias in fp32, without it in int8. Weights are scaled by output channel."""
        graph = self.graph
        if self.precision == "fp32":
            weight = graph.weight(f"{name}.weight", (out, width), self.product_type)
            if self.product_type != TensorProto.FLOAT:
                weight = graph.add("Cast", [weight], to=TensorProto.FLOAT)
            return self._gemm(x.tokens, weight, name, out)
        step = graph.constant(np.array(1 / 127, dtype=np.float32))
        middle = graph.constant(np.array(128, dtype=np.uint8))
        weight = graph.weight(f"{name}.int8", (width, out), TensorProto.INT8)
        channel = graph.weight(f"{name}.scale", (out,))
        product = graph.add("MatMulIntegerToFloat", [x.rounded, weight, step, channel, middle], MICROSOFT)
        return str(graph.add("Mul", [product, x.scale]))

    def _finish_layer(self, x: str, attended: str, index: int) -> str:
        """Apply attention output, residuals and the feed-forward part: [tokens, hidden] to [tokens, hidden]."""
        d, inner = self.spec.hidden, self.spec.intermediate
        layer, names = self.spec.layer(index), self.spec.names
        if self.spec.norm_first:
            x = self.graph.add("Add", [x, self._dense(self._operand(attended), layer + names.attention_output, d, d)])
            grown = self._grown(self._operand(self._norm(x, layer + names.output_norm, d)), layer)
            return str(self.graph.add("Add", [x, self._dense(self._operand(grown), layer + names.output, inner, d)]))
        x = self._residual(x, attended, layer + names.attention_output, self.spec.attention_norm(index), d)
        grown = self._grown(self._operand(x), layer)
        return self._residual(x, grown, layer + names.output, layer + names.output_norm, inner)

    def _grown(self, x: Operand, layer: str) -> str:
        """Return the inner activations of the feed-forward part [tokens, intermediate], gated if the family does so."""
        d, inner, names = self.spec.hidden, self.spec.intermediate, self.spec.names
        product = self._product(x, layer + names.intermediate, d, inner)
        if self.precision == "fp32" or not self.spec.biases:
            grown = self.graph.add("Gelu", [product])
        else:
            bias = self.graph.weight(f"{layer}{names.intermediate}.bias", (inner,))
            grown = self.graph.add("BiasGelu", [product, bias], MICROSOFT)
        if not names.gate:
            return str(grown)
        return str(self.graph.add("Mul", [grown, self._dense(x, layer + names.gate, d, inner)]))

    def _residual(self, x: str, inner: str, dense: str, norm: str, width: int) -> str:
        """Return norm(x + dense(inner)); the bias of an int8 product is added in the same step."""
        graph, d = self.graph, self.spec.hidden
        product = self._product(self._operand(inner), dense, width, d)
        inputs = [product, x, *(graph.weight(f"{norm}.{leaf}", (d,)) for leaf in ("weight", "bias"))]
        if self.precision != "fp32":
            inputs.append(graph.weight(f"{dense}.bias", (d,)))
        return str(graph.add("SkipLayerNormalization", inputs, MICROSOFT, epsilon=self.spec.norm_eps))

    def _heads(self, x: str, index: str) -> str:
        """Map packed [tokens, hidden] to padded heads [rows, heads, longest, head size]."""
        split = self.graph.reshape(self.graph.take(x, index), 0, 0, self.spec.heads, self.spec.head_size)
        return self.graph.transpose(split, 0, 2, 1, 3)

    def _unheads(self, x: str, inverse: str) -> str:
        """Map padded heads [rows, heads, longest, head size] back to packed [tokens, hidden]."""
        flat = self.graph.reshape(self.graph.transpose(x, 0, 2, 1, 3), -1, self.spec.hidden)
        return self.graph.take(flat, inverse)

    def _attend_own(self, query: str, key: str, value: str, places: Queries, rows: Rows, index: int) -> str:
        """Apply full attention within each row: packed in and out."""
        graph = self.graph
        keys, values = self._heads(key, rows.index), self._counted(value, rows)
        scores = graph.add("FusedMatMul", [self._heads(query, places.own), keys], MICROSOFT, transB=1)
        biased = self._biased(scores, places.own_bias.of(self.spec.is_local(index)))
        mixed, *_ = self._weigh(graph.add("Add", [biased, rows.bias]), values)
        return self._unheads(mixed, places.own_inverse)

    def _counted(self, value: str, rows: Rows) -> str:
        """Pad values and append a column of ones: [rows, heads, longest, head size + 1]."""
        graph = self.graph
        padded = self._heads(value, rows.index)
        one = [graph.ints(0), graph.ints(1), graph.ints(3)]
        column = graph.add("Slice", [padded, *one])
        zeros = graph.add("Sub", [column, column])
        return str(graph.add("Concat", [padded, graph.add("Add", [zeros, self._one()])], axis=3))

    def _one(self) -> str:
        return self.graph.constant(np.array(1, dtype=np.float32))

    def _weigh(self, scores: str, values: str) -> tuple[str, str, str, str]:
        """Multiply the softmax of `scores` by `values`, whose last column is ones.

        The product also gives the denominator of the softmax, summed key by key: padding adds zeros at the end and
        changes no bit. An ordinary vectorised sum would depend on the padded width, and one bit can tip a rounding to
        int8. Returns the result, the unnormalised weights, their sums and the maxima.
        """
        graph = self.graph
        highest = graph.add("ReduceMax", [scores, graph.ints(-1)], keepdims=1)
        raised = graph.add("Exp", [graph.add("Sub", [scores, highest])])
        product = graph.add("MatMul", [raised, values])
        mixed, total = graph.add("Split", [product, graph.ints(self.spec.head_size, 1)], outputs=2, axis=-1)
        return graph.add("Div", [mixed, total]), raised, total, highest

    def _attend_behind(
        self,
        query: str,
        own_kv: tuple[str, str],
        places: Queries,
        own: Rows,
        prefix_kv: tuple[str, str],
        prefix: Prefix,
        index: int,
    ) -> str:
        """Apply attention of candidates' tokens over their instruction and themselves: packed in and out.

        A token's attention to its own candidate is computed first, with its log-sum-exp L. The instruction's keys then
        get one additional logit, L, whose softmax weight is the share of the own part. This is exact, and nothing is
        computed between candidates. Queries are completed with (L, 1) and keys with (0, mask), the extra key being (0,
        …, 1, 0), so that one product gives all logits, masked.
        """
        graph = self.graph
        local = self.spec.is_local(index)
        from_self, log_sum = self._attend_self(query, own_kv, places, own, places.own_bias.of(local))
        behind = graph.transpose(graph.take(log_sum, places.own_of_row), 0, 2, 1)
        level = graph.add("Unsqueeze", [behind, graph.ints(3)])
        ones = graph.add("Add", [graph.add("Sub", [level, level]), self._one()])
        queries = graph.add("Concat", [self._heads(query, places.row), level, ones], axis=3)
        keys = graph.add("Concat", [self._heads(prefix_kv[0], prefix.rows.index), prefix.columns], axis=3)
        keys = graph.add("Concat", [keys, prefix.key], axis=2)
        values = graph.add("Concat", [self._counted(prefix_kv[1], prefix.rows), prefix.value], axis=2)
        scores = graph.add("FusedMatMul", [queries, keys], MICROSOFT, transB=1)
        mixed, raised, total, _ = self._weigh(self._biased(scores, places.row_bias.of(local)), values)
        last = [graph.ints(-1), graph.ints(np.iinfo(np.int64).max), graph.ints(3)]
        share = graph.transpose(graph.add("Div", [graph.add("Slice", [raised, *last]), total]), 0, 2, 1, 3)
        shares = graph.take(graph.reshape(share, -1, self.spec.heads, 1), places.row_inverse)
        split = graph.reshape(from_self, -1, self.spec.heads, self.spec.head_size)
        weighted = graph.reshape(graph.add("Mul", [split, shares]), -1, self.spec.hidden)
        return str(graph.add("Add", [self._unheads(mixed, places.row_inverse), weighted]))

    def _attend_self(
        self, query: str, own_kv: tuple[str, str], places: Queries, own: Rows, bias: str
    ) -> tuple[str, str]:
        """Apply attention of candidates' tokens within their candidate.

        Returns the packed result [tokens, hidden] and the log-sum-exp of the logits [padded tokens, heads].
        """
        graph = self.graph
        key, value = self._heads(own_kv[0], own.index), self._counted(own_kv[1], own)
        product = graph.add("FusedMatMul", [self._heads(query, places.own), key], MICROSOFT, transB=1)
        logits = self._biased(product, bias)
        mixed, _, total, highest = self._weigh(graph.add("Add", [logits, own.bias]), value)
        log_sum = graph.add("Add", [highest, graph.add("Log", [total])])
        by_token = graph.reshape(graph.transpose(log_sum, 0, 2, 1, 3), -1, self.spec.heads)
        return self._unheads(mixed, places.own_inverse), by_token


def byte_product_graph() -> bytes:
    """Return a graph that multiplies unsigned by signed bytes, as int8 scorers do."""
    graph = Graph()
    left, right = graph.input("left", 2, TensorProto.UINT8), graph.input("right", 2, TensorProto.INT8)
    one = graph.constant(np.array(1, dtype=np.float32))
    product = graph.add("MatMulIntegerToFloat", [left, right, one, one], MICROSOFT)
    data: bytes = graph.model(graph.reshape(product, -1)).SerializeToString()
    return data
