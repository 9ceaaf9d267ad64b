"""Attention in an encoder's ONNX graph: over padded rows, and of candidates over their instruction and themselves."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from cappy.encoders.spec import EncoderSpec
from cappy.layout.pack import MASKED
from cappy.runtime.onnx_builder import MICROSOFT, Graph
from cappy.runtime.onnx_names import Biases, Prefix, Queries, Rows


class Attention:
    """Adds an encoder's attention to a graph. Tokens are packed outside: [tokens, hidden]."""

    def __init__(self, graph: Graph, spec: EncoderSpec, lanes: int) -> None:
        """Add to `graph`; `lanes` keys stand for a candidate's own part, all but one of them masked."""
        self.graph, self.spec, self.lanes = graph, spec, lanes

    def biases(self, name: str, masked: Rows | None = None) -> Biases:
        """Declare what is added to logits [rows, heads or 1, queries or 1, keys] in both kinds of layer.

        That is the bias by position and, if `masked` is given, the mask of its padding.
        """
        everywhere = self._bias(f"{name}_bucket") if self.spec.relative_buckets else ""
        local = everywhere
        if self.spec.local_layers:
            local = self.graph.add(
                "Unsqueeze", [self.graph.input(f"{name}_reach", 3, TensorProto.FLOAT), self.graph.ints(1)]
            )
        if masked is None:
            return Biases(everywhere, local)
        # Added here once, and not in every layer.
        found = {bias: self._biased(masked.bias, bias) for bias in dict.fromkeys((everywhere, local))}
        return Biases(found[everywhere], found[local])

    def _bias(self, buckets: str) -> str:
        """Map an input of buckets [rows, queries, keys] to biases of logits [rows, heads, queries, keys].

        The bucket after the last one has bias 0, for keys without a position.
        """
        graph, spec = self.graph, self.spec
        table = graph.weight(spec.relative_bias, (spec.relative_buckets, spec.heads))
        nothing = graph.constant(np.zeros((1, spec.heads), dtype=np.float32))
        biases = graph.take(graph.add("Concat", [table, nothing], axis=0), graph.input(buckets, 3))
        return graph.transpose(biases, 0, 3, 1, 2)

    def rotations(self, name: str) -> dict[float, tuple[str, str]]:
        """Declare cosines and sines of packed tokens' rotations [tokens, head size], by base."""
        return {
            base: (
                self.graph.input(f"{name}_cos_{base:g}", 2, TensorProto.FLOAT),
                self.graph.input(f"{name}_sin_{base:g}", 2, TensorProto.FLOAT),
            )
            for base in self.spec.rotation_bases
        }

    def turned(self, x: str, turn: tuple[str, str] | None, only: str | None = None) -> str:
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

    def prefix_context(self, rows: Rows) -> Prefix:
        """Prepare the parts of the completed keys and values that are the same in every layer."""
        graph, heads, size = self.graph, self.spec.heads, self.spec.head_size
        bias = graph.transpose(rows.bias, 0, 1, 3, 2)  # [prefixes, 1, longest, 1]
        columns = graph.add("Concat", [graph.add("Sub", [bias, bias]), bias], axis=3)
        tiled = graph.add("Tile", [columns, graph.ints(1, heads, 1, 1)])
        key, value = (np.zeros((1, heads, self.lanes, size + more), dtype=np.float32) for more in (2, 0))
        key[:, :, 0, size] = 1
        key[:, :, 1:, size + 1] = MASKED
        count = graph.add("Shape", [rows.index], start=0, end=1)
        repeat = graph.add("Concat", [count, graph.ints(1, 1, 1)], axis=0)
        extra = (graph.add("Tile", [graph.constant(row), repeat]) for row in (key, value))
        return Prefix(rows, tiled, *extra)

    def attend_own(self, query: str, key: str, value: str, places: Queries, rows: Rows, index: int) -> str:
        """Apply full attention within each row: packed in and out."""
        logits = self._logits(self._heads(query, places.own), self._heads(key, rows.index))
        shares = self._shares(self._biased(logits, places.own_bias.of(self.spec.is_local(index))))
        mixed = self.graph.add("MatMul", [shares, self._heads(value, rows.index)])
        return self._unheads(mixed, places.own_inverse)

    def attend_behind(
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
        …, 1, 0), so that one product gives all logits, masked. The extra key comes first, because padding may only
        follow keys: see `_shares`.
        """
        graph = self.graph
        local = self.spec.is_local(index)
        from_self, log_sum = self._attend_self(query, own_kv, places, own, places.own_bias.of(local))
        behind = graph.transpose(graph.take(log_sum, places.own_of_row), 0, 2, 1)
        level = graph.add("Unsqueeze", [behind, graph.ints(3)])
        ones = graph.add("Add", [graph.add("Sub", [level, level]), graph.constant(np.array(1, dtype=np.float32))])
        queries = graph.add("Concat", [self._heads(query, places.row), level, ones], axis=3)
        keys = graph.add("Concat", [self._heads(prefix_kv[0], prefix.rows.index), prefix.columns], axis=3)
        keys = graph.add("Concat", [prefix.key, keys], axis=2)
        values = graph.add("Concat", [prefix.value, self._heads(prefix_kv[1], prefix.rows.index)], axis=2)
        shares = self._shares(self._biased(self._logits(queries, keys), places.row_bias.of(local)))
        mixed = graph.add("MatMul", [shares, values])
        first = [graph.ints(0), graph.ints(1), graph.ints(3)]
        share = graph.transpose(graph.add("Slice", [shares, *first]), 0, 2, 1, 3)
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
        key, value = (self._heads(part, own.index) for part in own_kv)
        logits = self._biased(self._logits(self._heads(query, places.own), key), bias)
        shares = self._shares(logits)
        mixed = graph.add("MatMul", [shares, value])
        # The largest share is exp(largest logit - log-sum-exp), and at least one over the number of keys.
        highest, largest = (graph.add("ReduceMax", [found, graph.ints(-1)], keepdims=1) for found in (logits, shares))
        log_sum = graph.add("Sub", [highest, graph.add("Log", [largest])])
        by_token = graph.reshape(graph.transpose(log_sum, 0, 2, 1, 3), -1, self.spec.heads)
        return self._unheads(mixed, places.own_inverse), by_token

    def _logits(self, queries: str, keys: str) -> str:
        """Multiply padded heads [rows, heads, longest, size]: [rows, heads, queries, keys]."""
        return str(self.graph.add("FusedMatMul", [queries, keys], MICROSOFT, transB=1))

    def _shares(self, logits: str) -> str:
        """Return the softmax over keys, which must not depend on the padding of a batch by a single bit.

        So padding only follows keys, and rows are as long as a multiple of a vector: a shorter rest may be added up
        apart.
        """
        return str(self.graph.add("Softmax", [logits], axis=-1))

    def _heads(self, x: str, index: str) -> str:
        """Map packed [tokens, hidden] to padded heads [rows, heads, longest, head size]."""
        split = self.graph.reshape(self.graph.take(x, index), 0, 0, self.spec.heads, self.spec.head_size)
        return self.graph.transpose(split, 0, 2, 1, 3)

    def _unheads(self, x: str, inverse: str) -> str:
        """Map padded heads [rows, heads, longest, head size] back to packed [tokens, hidden]."""
        flat = self.graph.reshape(self.graph.transpose(x, 0, 2, 1, 3), -1, self.spec.hidden)
        return self.graph.take(flat, inverse)

    def _biased(self, logits: str, bias: str) -> str:
        return str(self.graph.add("Add", [logits, bias])) if bias else logits
