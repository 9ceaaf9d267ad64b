"""Every encoder family over packed tokens in torch, as a cascade: instructions first, candidates behind them.

Dense layers run over packed tokens, so padding costs nothing there; attention alone works on padded
rows. Weights keep their Hugging Face names, so a `state_dict` of this module is a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from numpy.typing import NDArray
from torch import Tensor, nn

from cappy.encoders.relative import buckets_between
from cappy.encoders.spec import EncoderSpec
from cappy.layout import Batch, Packed, spread


@dataclass(frozen=True, slots=True)
class Rows:
    """Padded view of packed tokens. `index`, `valid`: [rows, longest]; `inverse`: [tokens]."""

    index: Tensor
    valid: Tensor
    inverse: Tensor

    @classmethod
    def of(cls, lengths: NDArray[np.int64], device: torch.device) -> Rows:
        """Spread sequences of these lengths."""
        return cls(*(torch.from_numpy(array).to(device) for array in spread(lengths)))

    def pad(self, packed: Tensor) -> Tensor:
        """[tokens, ...] to [rows, longest, ...], zeros where nothing is."""
        rows, longest = self.index.shape
        flat = packed.new_zeros((rows * longest, *packed.shape[1:]))
        return flat.index_copy(0, self.inverse, packed).view(rows, longest, *packed.shape[1:])

    def unpad(self, padded: Tensor) -> Tensor:
        """[rows, longest, ...] to [tokens, ...]."""
        flat = padded.reshape(-1, *padded.shape[2:])
        result: Tensor = _TakeRows.apply(flat, self.inverse)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return result


class _TakeRows(torch.autograd.Function):
    """`index_select` for indices that never repeat: its gradient is a copy, not an accumulation."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.rows = flat.shape[0]
        return flat.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        grad = grads[0]
        return grad.new_zeros((ctx.rows, *grad.shape[1:])).index_copy(0, index, grad), None


def _biased(logits: Tensor, bias: Tensor | None) -> Tensor:
    return logits if bias is None else logits + bias


class _Node(nn.Module):
    """A place in the tree of weight names; holds parameters and nothing else."""


class Encoder(nn.Module):
    """A scorer's weights under their Hugging Face names, and the computation over packed batches."""

    def __init__(self, spec: EncoderSpec, weights: Mapping[str, Tensor]) -> None:
        """Register every weight that `spec` names; `weights` may be of any float type."""
        super().__init__()
        self.spec = spec
        for name in spec.shapes():
            *path, leaf = name.split(".")
            node: nn.Module = self
            for part in path:
                if part not in node._modules:
                    node.add_module(part, _Node())
                node = node.get_submodule(part)
            node.register_parameter(leaf, nn.Parameter(weights[name]))
        self._by_name = dict(self.named_parameters())

    def _apply(self, fn: Any, recurse: bool = True) -> Encoder:
        """Move or cast the weights, then look their names up again."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._by_name = dict(self.named_parameters())
        return self

    def halve_products(self) -> Encoder:
        """Keep the layers' matrices in bfloat16, and all else (embeddings, normalisation, biases, head) as it is."""
        names = self.spec.names
        for index in range(self.spec.layers):
            for part in (names.query, names.key, names.value, names.attention_output, names.intermediate, names.output):
                for leaf in ("weight", "bias"):
                    parameter = self._by_name[f"{self.spec.layer(index)}{part}.{leaf}"]
                    parameter.data = parameter.data.to(torch.bfloat16)
        return self

    def _linear(self, x: Tensor, name: str) -> Tensor:
        weight = self._by_name[f"{name}.weight"]
        return F.linear(x.to(weight.dtype), weight, self._by_name[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._by_name[f"{name}.weight"], self._by_name[f"{name}.bias"]
        return F.layer_norm(x, (weight.shape[0],), weight, bias, self.spec.norm_eps)

    def _embed(self, tokens: Packed, device: torch.device) -> Tensor:
        indices = {"word": tokens.ids, "position": tokens.positions, "token_type": tokens.types}
        at = self.spec.embeddings
        parts = [
            F.embedding(torch.from_numpy(indices[kind]).to(device), self._by_name[f"{at}{kind}_embeddings.weight"])
            for kind in self.spec.embedding_tables
        ]
        total = self._norm(sum(parts[1:], parts[0]), f"{at}LayerNorm")
        return self._linear(total, self.spec.projection) if self.spec.projection else total

    def _bias(self, queries: NDArray[np.int64], keys: NDArray[np.int64], device: torch.device) -> Tensor | None:
        """Biases between positions, [rows, heads, queries, keys]; None in families that have no such biases."""
        if not self.spec.relative_buckets:
            return None
        buckets = torch.from_numpy(buckets_between(queries, keys, self.spec.relative_buckets)).to(device)
        return F.embedding(buckets, self._by_name[self.spec.relative_bias]).permute(0, 3, 1, 2)

    def _bias_within(self, longest: int, device: torch.device) -> Tensor | None:
        """Biases within a sequence, the same for all: [1, heads, longest, longest]."""
        places = np.arange(longest, dtype=np.int64)[None]
        return self._bias(places, places, device)

    def _qkv(self, x: Tensor, layer: str) -> tuple[Tensor, Tensor, Tensor]:
        """[tokens, hidden] to queries, keys and values [tokens, heads, head size]."""
        shape = (-1, self.spec.heads, self.spec.head_size)
        names = self.spec.names
        query, key, value = (
            self._linear(x, layer + name).view(shape) for name in (names.query, names.key, names.value)
        )
        return query, key, value

    def _finish_layer(self, x: Tensor, attended: Tensor, layer: str) -> Tensor:
        """Attention output, residuals and the feed-forward part: [tokens, hidden] to [tokens, hidden]."""
        names = self.spec.names
        mixed = self._linear(attended.reshape(-1, self.spec.hidden), layer + names.attention_output)
        x = self._norm(x + mixed, layer + names.attention_norm)
        inner = F.gelu(self._linear(x, layer + names.intermediate))
        return self._norm(x + self._linear(inner, layer + names.output), layer + names.output_norm)

    def _score(self, first: Tensor) -> Tensor:
        """Hidden states of the scored tokens [segments, hidden] to scores [segments]."""
        dense, out = self.spec.head
        hidden = self._linear(first, dense)
        hidden = F.gelu(hidden) if self.spec.head_activation == "gelu" else torch.tanh(hidden)
        return self._linear(hidden, out).squeeze(-1)

    def encode(self, sequences: Packed) -> Tensor:
        """Last hidden states of sequences that stand alone: packed [tokens, hidden]."""
        device = self._by_name[f"{self.spec.embeddings}LayerNorm.weight"].device
        rows = Rows.of(sequences.lengths, device)
        bias = self._bias_within(rows.index.shape[1], device)
        x = self._embed(sequences, device)
        for index in range(self.spec.layers):
            layer = self.spec.layer(index)
            x = self._finish_layer(x, self._attend(*self._qkv(x, layer), rows, bias), layer)
        return x

    def forward(self, batch: Batch) -> Tensor:
        """Score every segment of `batch`: [segments], the raw regression output."""
        device = self._by_name[f"{self.spec.embeddings}LayerNorm.weight"].device
        own = Rows.of(batch.segments.lengths, device)
        starts = own.index[:, 0]
        own_bias = self._bias_within(own.index.shape[1], device)
        x = self._embed(batch.segments, device)
        if batch.prefixes is None:
            for index in range(self.spec.layers):
                layer = self.spec.layer(index)
                attended = self._attend(*self._qkv(x, layer), own, own_bias)
                if index == self.spec.layers - 1:
                    x, attended = x.index_select(0, starts), attended.index_select(0, starts)
                x = self._finish_layer(x, attended, layer)
            return self._score(x)
        prefix_rows = Rows.of(batch.prefixes.lengths, device)
        candidate_rows = Rows.of(batch.row_lengths(), device)
        prefix_bias = self._bias_within(prefix_rows.index.shape[1], device)
        queries, keys = batch.segments.positions[spread(batch.row_lengths())[0]], batch.prefixes.positions
        behind_bias = self._bias(queries, keys[spread(batch.prefixes.lengths)[0]], device)
        prefix = self._embed(batch.prefixes, device)
        for index in range(self.spec.layers):
            layer = self.spec.layer(index)
            prefix_q, prefix_k, prefix_v = self._qkv(prefix, layer)
            attended = self._attend_behind(
                self._qkv(x, layer), own, candidate_rows, (prefix_k, prefix_v), prefix_rows, (own_bias, behind_bias)
            )
            if index == self.spec.layers - 1:  # of the last layer only the scored tokens are read
                x, attended = x.index_select(0, starts), attended.index_select(0, starts)
            else:
                mixed = self._attend(prefix_q, prefix_k, prefix_v, prefix_rows, prefix_bias)
                prefix = self._finish_layer(prefix, mixed, layer)
            x = self._finish_layer(x, attended, layer)
        return self._score(x)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, rows: Rows, bias: Tensor | None) -> Tensor:
        """Full attention within each row: packed [tokens, heads, head size] in and out; `bias` is added to logits."""
        scale = 1 / math.sqrt(self.spec.head_size)
        q, k, v = (rows.pad(t).transpose(1, 2) for t in (query * scale, key, value))
        # On a CPU plain products are faster, backward above all, than torch's fused attention under a mask.
        scores = _biased(q @ k.transpose(-1, -2), bias).masked_fill(~rows.valid[:, None, None, :], -1e9)
        return rows.unpad((torch.softmax(scores, -1).to(v.dtype) @ v).transpose(1, 2))

    def _attend_behind(
        self,
        qkv: tuple[Tensor, Tensor, Tensor],
        own: Rows,
        rows: Rows,
        prefix_kv: tuple[Tensor, Tensor],
        prefix_rows: Rows,
        biases: tuple[Tensor | None, Tensor | None],
    ) -> Tensor:
        """Attention of candidates' tokens over their instruction and themselves.

        The two parts are scored apart and share one softmax, so nothing is computed between candidates. `biases` are
        added to the logits of the candidates' own keys and of the instruction's.
        Packed [tokens, heads, head size] in and out.
        """
        query, key, value = qkv
        scale = 1 / math.sqrt(self.spec.head_size)
        queries = rows.pad(query * scale).transpose(1, 2)
        keys, values = (prefix_rows.pad(t).transpose(1, 2) for t in prefix_kv)
        to_prefix = _biased(queries @ keys.transpose(-1, -2), biases[1])
        to_prefix = to_prefix.masked_fill(~prefix_rows.valid[:, None, None, :], -1e9)
        own_q, own_k, own_v = (own.pad(t).transpose(1, 2) for t in (query * scale, key, value))
        to_self = _biased(own_q @ own_k.transpose(-1, -2), biases[0]).masked_fill(~own.valid[:, None, None, :], -1e9)
        to_self = rows.pad(own.unpad(to_self.transpose(1, 2))).transpose(1, 2)
        width = to_prefix.shape[-1]
        weights = torch.softmax(torch.cat([to_prefix, to_self], -1), -1).to(value.dtype)
        from_prefix = rows.unpad((weights[..., :width] @ values).transpose(1, 2))
        self_weights = own.pad(rows.unpad(weights[..., width:].transpose(1, 2))).transpose(1, 2)
        from_self = own.unpad((self_weights @ own_v).transpose(1, 2))
        return from_prefix + from_self
